"""The calls of a target without answer, and the connections that carry them: records only.

They must never decide which connection carries a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.protocols.jolie.sodep import InFlight, Upstream
from ccproxy.protocols.jolie.values import Call


class ConnectionState:
    """One connection to a target. `since` is when it came up or had no call left, `opened` when it
    came up.

    `open` are the calls sent on it; those of the fast path are on its `upstream`, if it has one.
    """

    __slots__ = ("_heard", "_last", "id", "open", "opened", "since", "up", "upstream")

    def __init__(self, id: int, now: float, upstream: Upstream | None) -> None:
        self.id = id
        self.up = False
        self.open: dict[int, PendingCall] = {}
        self.upstream = upstream
        self.opened = self.since = self._heard = now
        self._last = False

    @property
    def last(self) -> bool:
        """True if it takes no more calls."""
        return self._last

    @property
    def heard(self) -> float:
        """When the last bytes came."""
        return self._heard if self.upstream is None else max(self._heard, self.upstream.heard)

    def stop_using(self) -> None:
        """Let it take no more calls."""
        self._last = True
        if self.upstream is not None:
            self.upstream.last = True

    def hear(self, now: float) -> None:
        """Record that bytes came."""
        self._heard = now

    @property
    def busy(self) -> int:
        """How many calls wait for an answer on it."""
        return len(self.open) + len(self.fast_calls)

    @property
    def fast_calls(self) -> dict[int, InFlight]:
        """The calls of the fast path, by their ids on this connection."""
        return self.upstream.open if self.upstream is not None else {}

    def late(self, now: float) -> Iterator[int]:
        """Ids of the calls of the fast path that waited too long, oldest first."""
        for id, call in self.fast_calls.items():
            if call.deadline > now:
                return
            yield id

    def deadline(self) -> float:
        """When the first call of the fast path will have waited too long; or infinity."""
        return next((one.deadline for one in self.fast_calls.values()), float("inf"))


MAX_RETRIES = 5
"""Times that a call is sent again because the service refused it before it executed it."""


class PendingCall:
    """One call without answer. It holds the call and its request until the request is sent."""

    __slots__ = (
        "caller", "call", "connection", "deadline", "id", "request", "sent", "size", "tries",
    )  # fmt: skip

    def __init__(self, caller: Any, call: Call | None, deadline: float) -> None:
        self.caller = caller
        self.call = call
        self.deadline = deadline
        self.id = 0
        self.request: Any = None
        self.size = 0
        self.sent = 0.0
        self.tries = 0
        self.connection: ConnectionState | None = None

    def write(self, request: Any) -> None:
        """Store the request for this call, as a form made it."""
        self.request = request
        self.size = len(request) if type(request) is bytes else len(request.body)

    def again(self, request: Any) -> None:
        """Take it back from its connection, to be sent once more, as this request."""
        assert self.connection is not None
        del self.connection.open[self.id]
        self.connection = None
        self.tries += 1
        self.write(request)
