"""A pool of workers as a member of a group: it is up while a worker is connected.

What waits for a worker can go to another pool of the same form. It must never take back what a
worker was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy import TAKEN, MovedRun
from ccproxy.core.pool import WorkerPool

NO_WORKERS = "no-workers"


class PoolMember:
    """See `ccproxy.Member`."""

    def __init__(self, pool: WorkerPool, form: str) -> None:
        self.form = form
        self.sink = pool

    @property
    def state(self) -> str:
        """up while there is a worker."""
        return "up" if self.sink.workers else NO_WORKERS

    @property
    def reason(self) -> str:
        """Why nothing is sent."""
        return "" if self.sink.workers else "no worker is connected"

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes that no worker has."""
        return self.sink.backlog.waiting, self.sink.backlog.bytes

    def has_room(self, size: int, messages: int) -> bool:
        """True if they fit below the limits of the backlog."""
        return self.sink.backlog.has_room(size, messages)

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever a worker has come or is gone."""
        self.sink.watchers.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""
        if call in self.sink.watchers:
            self.sink.watchers.remove(call)

    def give_back(self, most: int) -> list[MovedRun]:
        """Take back what no worker has."""
        return [MovedRun(*one) for one in self.sink.backlog.take_unsent(most)]

    def put_all(self, runs: Sequence[MovedRun]) -> None:
        """Take what another pool gave back."""
        self.sink.put_all([(one.chunk, one.messages) for one in runs])
        for one in runs:
            if one.receipt is not None:
                one.receipt(one.messages, TAKEN)
