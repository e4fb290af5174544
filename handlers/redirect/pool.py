"""The connections to one target: which of them takes a call, and when one more is wanted.

It must never know what is called, or answer a call.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

from ccproxy.protocols.jolie.sodep import Upstream, UpstreamLoad, UpstreamPool
from ccproxy.protocols.jolie.sodep.fastpath import SLOW_ANSWER
from ccproxy.protocols.jolie.values import ServiceSide

from .actions import CloseConnection, OpenConnection, PortAction
from .pending import ConnectionState
from .target import ServiceTarget

MIN_SAMPLES = 200
"""Answers that have to be timed first: a service with few calls needs no more connections."""
MAX_POOLED_CONNECTIONS = 64
"""Connections that carry one call at a time, where the INI leaves their number open."""
INFINITY = float("inf")
RETRY_INTERVAL = 30.0
"""Seconds after a connection was refused until an additional one is tried again."""


class ConnectionPool:
    """The connections; a method gets a connection's number where it says so, else its record."""

    def __init__(
        self, target: ServiceTarget, numbers: Iterator[int], clock: Callable[[], float] | None
    ) -> None:
        """`numbers` gives the connections their numbers, unique in the process.

        With a clock (the one behind every `now` here) calls may take the fast path.
        """
        limits = target.limits
        self.form = target.form()
        self.shared = limits.mode == "pipelined" and self.form.pipelines
        """True if a connection takes many calls at a time."""
        self.ids = itertools.count(1)
        """Gives the calls their ids."""
        self.load = UpstreamLoad(limits.calls, limits.bytes)
        self.upstreams: UpstreamPool | None = None
        """The connections of the fast path: none of them while one is to be opened or left."""
        self._lifetime = target.lifetime
        # The fast path would use a connection without asking how old it is.
        if clock is not None and self.shared and self._lifetime == INFINITY:
            self.upstreams = self.form.upstreams(limits.timeout, clock)
        self._target = target
        self._numbers = numbers
        self._all: dict[int, ConnectionState] = {}
        self._free: deque[ConnectionState] = deque()
        self._grow_at = 0.0

    def __iter__(self) -> Iterator[ConnectionState]:
        return iter(tuple(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, number: int) -> bool:
        return number in self._all

    def find(self, number: int) -> ConnectionState | None:
        """The connection of a number."""
        return self._all.get(number)

    @property
    def _most(self) -> int:
        """Connections at the same time; a service may turn out to take one call at a time."""
        if most := self._target.limits.connections:
            return most
        return 1 if self.shared or self.form.serial else MAX_POOLED_CONNECTIONS

    @property
    def surplus(self) -> bool:
        """True if there are more connections than a service takes that turned out to be serial."""
        return self.form.serial and len(self._all) > self._most

    def side(self, number: int) -> ServiceSide:
        """The side of the protocol that reads and writes a connection, by its number."""
        return self.form.service(self._all[number].upstream)

    def usable(self) -> list[ConnectionState]:
        """The connections that take calls, or will when they are up."""
        return [one for one in self._all.values() if not one.last]

    def pick(self) -> ConnectionState | None:
        """A connection that can take a call now."""
        if not self._free:
            return None
        if not self.shared:
            # Take the one used last, so that the others can grow old enough to be closed as idle.
            return self._free.pop()
        self._free.rotate(-1)
        return self._free[-1]

    def is_old(self, connection: ConnectionState, now: float) -> bool:
        """True if a connection is given no more calls because the service may close it soon."""
        return now >= connection.opened + self._lifetime

    def retire_old(self, now: float) -> list[PortAction]:
        """Before `pick`: send no more calls on old connections, and close those without a call."""
        if self._lifetime == INFINITY:
            return []
        old = [one for one in self._free if self.is_old(one, now)]
        for one in old:
            self.stop_using(one)
        return [self.close(one) for one in old if not one.busy]

    def free(self, connection: ConnectionState) -> None:
        """Record that a connection can take a call."""
        self._free.append(connection)

    def connect(self, waiting: int, now: float) -> list[PortAction]:
        """Open as many connections as so many waiting calls need and the limit allows."""
        usable = self.usable()
        coming = sum(not one.up for one in usable)
        wanted = 1 if self.shared else waiting
        room = self._most - len(usable)
        return [self._open(now) for _ in range(min(wanted - coming, room))]

    def widen(self, now: float) -> list[PortAction]:
        """After the use of a shared connection: open one more up to the limit.

        When all of them are up, calls may take the fast path.
        """
        if not self.shared:
            return []
        if len(self._all) < self._most:
            return self.connect(0, now)
        usable = self.usable()
        if (
            self.upstreams is not None
            and not self.upstreams.usable
            and all(one.up for one in usable)
        ):
            self.upstreams.usable += [one.upstream for one in usable if one.upstream is not None]
        return []

    def opened(self, connection: ConnectionState, now: float) -> None:
        """Record that a connection is up."""
        connection.up = True
        connection.since = connection.opened = now
        self._free.append(connection)
        if self.upstreams is not None and self.upstreams.usable and connection.upstream is not None:
            self.upstreams.usable.append(connection.upstream)

    def grow(self, now: float) -> list[PortAction]:
        """Open one more to a service whose answers take long while many wait for them.

        A service may read one connection after the other, as Jolie's do, or hold short answers
        back behind long ones. For a quick service a single connection is best: many calls are
        written at once.
        """
        load = self.load
        if (
            load.took < SLOW_ANSWER
            or load.timed < MIN_SAMPLES
            or now < self._grow_at
            or not self.shared
        ):
            return []
        usable = self.usable()
        crowded = load.calls > len(usable) and all(one.up for one in usable)
        if not crowded or len(usable) >= self._target.limits.most:
            return []
        load.took, load.timed = 0.0, 0
        return [self._open(now)]

    def refused(self, connection: ConnectionState, now: float) -> None:
        """Record that a connection could not be made."""
        self._grow_at = now + RETRY_INTERVAL
        self.forget(connection)

    def _open(self, now: float) -> OpenConnection:
        upstream = Upstream(self.ids, self.load) if self.upstreams is not None else None
        made = ConnectionState(next(self._numbers), now, upstream)
        self._all[made.id] = made
        return OpenConnection(made.id, self._target.location)

    def end_of(self, connection: ConnectionState, now: float) -> float:
        """When a connection has been coming up or idle for too long, at the earliest."""
        limits = self._target.limits
        if not connection.up:
            return connection.since + limits.timeout
        idle = limits.idle or INFINITY
        if connection.busy:
            return now + idle
        old = connection.opened + self._lifetime
        return min(old, max(connection.since, connection.heard) + idle)

    def stop_using(self, connection: ConnectionState) -> None:
        """Send no further call on a connection."""
        connection.stop_using()
        if self.upstreams is not None:
            self.upstreams.usable.clear()
        if connection in self._free:
            self._free.remove(connection)

    def forget(self, connection: ConnectionState) -> None:
        """Drop a connection that has ended."""
        self.stop_using(connection)
        self._all.pop(connection.id, None)

    def close(self, connection: ConnectionState) -> CloseConnection:
        """Drop a connection and have it closed."""
        self.forget(connection)
        return CloseConnection(connection.id)
