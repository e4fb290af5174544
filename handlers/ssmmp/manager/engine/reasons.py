"""Why an instance does not run, in words for the operator.

It reads rows and must never decide what follows from a failure.
"""

from __future__ import annotations

from ccproxy.protocols import ssmmp

from .rows import InstanceRow
from .tables import InstanceState

MAX_REASON = 200
"""Characters of what an agent says of a failure."""

_STATUSES = {
    409: " (its number is in use there)",
    422: " (its sockets or plugs do not fit the program)",
    423: " (a port is taken there)",
    429: " (the node runs as many as it may)",
    500: " (the program could not be started)",
    502: " (the program ended)",
    504: " (it was not ready in time)",
}
"""What the status of an instance that failed says."""


def of_status(status: int) -> str:
    """A status of an agent, with what it says."""
    return f"status {status}{_STATUSES.get(status, '')}"


def told(message: ssmmp.SsmmpMessage) -> str:
    """What an agent says of a failure, cut to a line of a log."""
    return (message.extra("x_reason") or "")[:MAX_REASON]


def of_failure(row: InstanceRow) -> str:
    """The status of an instance that failed, and what its agent said."""
    return f"{of_status(row.status)}: {row.reason}" if row.reason else of_status(row.status)


def of_end(row: InstanceRow) -> str:
    """Why an instance ended, whether that was a failure or not."""
    return of_failure(row) if row.state is InstanceState.FAILED else "the program ended"


def of_instance(row: InstanceRow) -> str:
    """Why an instance that was to run does not."""
    if row.state is InstanceState.PLANNED:
        return f"there is no place for instance {row.key}"
    where = f"instance {row.key} on {row.agent}"
    if row.state is InstanceState.STARTING:
        return f"{where} was not ready in time"
    return f"{where}, {of_failure(row)}"


def of_product(made: InstanceRow | None) -> str:
    """The end of a line about a step: why the instance that it made does not run, if it made one
    that is still known."""
    return "" if made is None else f": {of_instance(made)}"
