"""The connections to one target: which of them takes a call, and when one more is wanted.

It must never know what is called, or answer anybody.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

from ccproxy.protocols.jolie.sodep import Load, Sodep, Trunk, Trunks
from ccproxy.protocols.jolie.values import ServiceSide

from .actions import Action, Close, Open
from .records import Connection
from .target import Target

LONG = 0.001
"""Seconds that answers take, on average, from which on more connections may help."""
SAMPLES = 200
"""Answers that have to be timed first: who asks little does not need more."""
PAUSE = 30.0
"""Seconds after a connection was refused until one more than needed is tried again."""


class Pool:
    """See the module. `connection` is a number where a call says so, else the record."""

    def __init__(
        self, target: Target, numbers: Iterator[int], clock: Callable[[], float] | None
    ) -> None:
        """`numbers` gives the connections their numbers, unique in the process.

        With a clock, that of every `now` here, sodep calls may go straight, see `trunks`.
        """
        shape = target.shape
        self.form = target.form()
        self.shared = shape.mode == "pipelined" and self.form.pipelines
        """True if a connection takes many calls at a time."""
        self.ids = itertools.count(1)
        """Gives the calls their ids."""
        self.load = Load(shape.calls, shape.bytes)
        self.trunks: Trunks | None = None
        """Where calls may go straight, none while a connection is to be made or not to be used."""
        if clock is not None and self.shared and isinstance(self.form, Sodep):
            self.trunks = Trunks(self.form.charset, shape.timeout, clock)
        self._target = target
        self._numbers = numbers
        self._all: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._grow_at = 0.0

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, number: int) -> bool:
        return number in self._all

    def find(self, number: int) -> Connection | None:
        """The connection of a number."""
        return self._all.get(number)

    def side(self, number: int) -> ServiceSide:
        """What is spoken on a connection."""
        found = self._all[number]
        if isinstance(self.form, Sodep):
            return self.form.service(found.trunk)
        return self.form.service()

    def usable(self) -> list[Connection]:
        """Those that take calls, or will when they are up."""
        return [one for one in self._all.values() if not one.last]

    def pick(self) -> Connection | None:
        """A connection that can take a call now."""
        if not self._free:
            return None
        if not self.shared:
            # The one used last: the others grow old enough to be closed as idle.
            return self._free.pop()
        self._free.rotate(-1)
        return self._free[-1]

    def free(self, connection: Connection) -> None:
        """A connection can take a call, or the next."""
        self._free.append(connection)

    def connect(self, waiting: int, now: float) -> list[Action]:
        """Open what so many waiting calls need and the limit allows."""
        usable = self.usable()
        coming = sum(not one.up for one in usable)
        wanted = 1 if self.shared else waiting
        room = self._target.shape.connections - len(usable)
        return [self._open(now) for _ in range(min(wanted - coming, room))]

    def widen(self, now: float) -> list[Action]:
        """A shared connection was used: open one more, or let calls go straight if all are up."""
        if not self.shared:
            return []
        if len(self._all) < self._target.shape.connections:
            return self.connect(0, now)
        usable = self.usable()
        if self.trunks is not None and not self.trunks.usable and all(one.up for one in usable):
            self.trunks.usable += [one.trunk for one in usable if one.trunk is not None]
        return []

    def opened(self, connection: Connection, now: float) -> None:
        """A connection is up."""
        connection.up = True
        connection.since = now
        self._free.append(connection)
        if self.trunks is not None and self.trunks.usable and connection.trunk is not None:
            self.trunks.usable.append(connection.trunk)

    def grow(self, now: float) -> list[Action]:
        """Open one more to a service whose answers take long while many wait for them.

        A service may read one connection after the other, as Jolie's do, or keep short answers
        behind long ones. To a quick one a single connection is best: many calls in one write.
        """
        load = self.load
        if load.took < LONG or load.timed < SAMPLES or now < self._grow_at or not self.shared:
            return []
        usable = self.usable()
        crowded = load.calls > len(usable) and all(one.up for one in usable)
        if not crowded or len(usable) >= self._target.shape.most:
            return []
        load.took, load.timed = 0.0, 0
        return [self._open(now)]

    def refused(self, connection: Connection, now: float) -> None:
        """A connection could not be made."""
        self._grow_at = now + PAUSE
        self.forget(connection)

    def _open(self, now: float) -> Open:
        trunk = Trunk(self.ids, self.load) if self.trunks is not None else None
        made = Connection(next(self._numbers), now, trunk)
        self._all[made.id] = made
        return Open(made.id, self._target.location)

    def end_of(self, connection: Connection, now: float) -> float:
        """When a connection has been coming up or idle for too long, at the earliest."""
        shape = self._target.shape
        if not connection.up:
            return connection.since + shape.timeout
        if not shape.idle:
            return float("inf")
        return (now if connection.busy else max(connection.since, connection.heard)) + shape.idle

    def bar(self, connection: Connection) -> None:
        """No further call goes there."""
        connection.bar()
        if self.trunks is not None:
            self.trunks.usable.clear()
        if connection in self._free:
            self._free.remove(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is no more."""
        self.bar(connection)
        self._all.pop(connection.id, None)

    def close(self, connection: Connection) -> Close:
        """Have a connection closed."""
        self.forget(connection)
        return Close(connection.id)
