"""The calls to one target: which connection carries which, and who gets each answer.

    waiting (no connection yet) -> sent -> answered | lost | silent
    waiting -> refused | unreachable | moved (the port was relocated)

Every call that `ask` takes ends in exactly one `Respond`, or comes back from `retire`. Ids are
given anew, so answers of several callers cannot be mixed up; an answer to no call, such as a
second one or one after its timeout, is counted and dropped. A call is never sent twice: it may
have been executed. Time comes in as seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from ccproxy.wire.values import Answer, Answered, Call, Unportable

from . import faults
from .actions import Action, Close, Open, Respond, Write
from .records import Connection, Waiting
from .target import Target


class Calls:
    """The calls to one target, from the moment a port points to it until the last is answered."""

    def __init__(self, target: Target, numbers: Iterator[int]) -> None:
        """`numbers` gives the connections their numbers, unique in the process."""
        self.target = target
        self.strays = 0
        """Answers to no call."""
        self.form = target.form()
        self._numbers = numbers
        self._shared = target.shape.mode == "pipelined" and self.form.pipelines
        self._ids = 0
        self._all: dict[int, Waiting] = {}
        self._queue: OrderedDict[int, Waiting] = OrderedDict()
        self._bytes = 0
        self._connections: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._retired = False

    def __len__(self) -> int:
        return len(self._all)

    @property
    def done(self) -> bool:
        """Retired, all calls answered, all connections closed."""
        return self._retired and not self._connections and not self._all

    def __contains__(self, connection: int) -> bool:
        return connection in self._connections

    def ask(self, caller: Any, call: Call, now: float) -> list[Action]:
        """Take one call; its path is relative to the target's location."""
        return self.take(Waiting(caller, call, now + self.target.shape.timeout), now)

    def take(self, waiting: Waiting, now: float) -> list[Action]:
        """Take a call that may have waited elsewhere; its deadline stays."""
        caller, call = waiting.caller, waiting.call
        limit = self.target.shape.calls
        if call is None or len(self._all) >= limit:
            return [Respond(caller, faults.full(f"{limit} without answer"))]
        path = self.target.location.forward(call.path)
        self._ids += 1
        waiting.id = self._ids
        try:
            waiting.write(self.form.request(Call(path, call.operation, call.value), waiting.id))
        except Unportable as reason:
            fault = faults.not_portable(self.target.protocol, str(reason))
            return [Respond(caller, fault)]
        most = self.target.shape.bytes
        if self._all and self._bytes + waiting.size > most:
            return [Respond(caller, faults.full(f"{most} bytes without answer"))]
        self._all[waiting.id] = waiting
        self._bytes += waiting.size
        return self._place(waiting, now)

    def opened(self, connection: int, now: float) -> list[Action]:
        """A connection is up."""
        found = self._connections.get(connection)
        if found is None:
            return []
        found.up = True
        found.since = now
        self._free.append(found)
        return self._drain(now)

    def refused(self, connection: int, reason: str, now: float) -> list[Action]:
        """A connection could not be made; if it was the only hope, who waits for it is told."""
        if self._connections.pop(connection, None) is None:
            return []
        if any(not one.last for one in self._connections.values()):
            return []
        fault = faults.refused(reason)
        return [self._end(one, fault) for one in tuple(self._queue.values())]

    def answered(self, connection: int, answers: list[Answered], now: float) -> list[Action]:
        """Answers came in. Call `ending` first if the service closes behind them."""
        found = self._connections.get(connection)
        if found is None:
            return []
        found.heard = now
        actions: list[Action] = []
        for id, answer in answers:
            waiting = found.open.get(id) or self._generic(found, id)
            if waiting is None:
                self.strays += 1
                continue
            actions.append(self._end(waiting, answer))
            if not self._shared or not found.open:
                actions += self._released(found, now)
        return actions

    def unsent(self, connection: int, id: int, now: float) -> list[Action]:
        """A request could not be written: too much waits for a service that does not read."""
        found = self._connections.get(connection)
        waiting = found.open.get(id) if found else None
        if found is None or waiting is None:
            return []
        self._bar(found)
        actions: list[Action] = [self._end(waiting, faults.full("the service does not read"))]
        return actions if found.open else [*actions, self._close(found)]

    def ending(self, connection: int) -> None:
        """The service takes no further call on this connection."""
        found = self._connections.get(connection)
        if found is not None:
            self._bar(found)

    def lost(self, connection: int, reason: str, now: float) -> list[Action]:
        """A connection ended or cannot be read on; calls sent on it get a fault at once."""
        found = self._connections.get(connection)
        if found is None:
            return []
        fault = faults.lost(reason)
        actions: list[Action] = [self._end(one, fault) for one in tuple(found.open.values())]
        self._forget(found)
        return actions + self._drain(now)

    def tick(self, now: float) -> list[Action]:
        """Answer who waited too long, close what was idle too long."""
        actions: list[Action] = []
        for waiting in tuple(self._late(now)):
            actions += self._timed_out(waiting)
        for connection in tuple(self._connections.values()):
            if self._end_of(connection, now) <= now:
                actions.append(self._close(connection))
        return actions + self._drain(now)

    def retire(self, now: float) -> tuple[list[Action], list[Waiting]]:
        """Take no more calls; those not sent yet are given back, the others end here."""
        self._retired = True
        moved = list(self._queue.values())
        for waiting in moved:
            self._leave(waiting)
        actions: list[Action] = []
        for connection in tuple(self._connections.values()):
            self._bar(connection)
            if not connection.open:
                actions.append(self._close(connection))
        return actions, moved

    def deadline(self) -> float:
        """When `tick` has to answer somebody next; infinity if nobody waits."""
        return next((one.deadline for one in self._all.values()), float("inf"))

    def due(self, now: float) -> float:
        """When `tick` has something to do at the earliest; infinity if nothing is to be watched."""
        ends = [self._end_of(one, now) for one in self._connections.values()]
        if ends and self.target.shape.idle:
            ends.append(now + self.target.shape.idle)
        return min([self.deadline(), *ends])

    def _place(self, waiting: Waiting, now: float) -> list[Action]:
        """Send a call at once if a connection is free, else let it wait for one."""
        shape = self.target.shape
        free = self._pick()
        if free is not None:
            sent = self._send(waiting, free, now)
            wider = self._shared and len(self._connections) < shape.connections
            return [sent, *self._connect(now)] if wider else [sent]
        self._queue[waiting.id] = waiting
        return self._connect(now)

    def _pick(self) -> Connection | None:
        """A connection that can take a call now."""
        if not self._free:
            return None
        if not self._shared:
            # The one used last: the others grow old enough to be closed as idle.
            return self._free.pop()
        self._free.rotate(-1)
        return self._free[-1]

    def _send(self, waiting: Waiting, connection: Connection, now: float) -> Write:
        waiting.connection = connection
        waiting.sent = now
        waiting.call = None
        request, waiting.request = waiting.request, None
        connection.open[waiting.id] = waiting
        return Write(connection.id, request, waiting.id)

    def _connect(self, now: float) -> list[Action]:
        """Open what is needed and the limit allows; those that take no more calls do not count."""
        usable = [one for one in self._connections.values() if not one.last]
        coming = sum(not one.up for one in usable)
        wanted = 1 if self._shared else len(self._queue)
        room = self.target.shape.connections - len(usable)
        actions: list[Action] = []
        for _ in range(min(wanted - coming, room)):
            made = Connection(next(self._numbers), now)
            self._connections[made.id] = made
            actions.append(Open(made.id, self.target.location))
        return actions

    def _drain(self, now: float) -> list[Action]:
        """Send what waits on what is free; open more for the rest."""
        actions: list[Action] = []
        while self._queue and (free := self._pick()):
            waiting = next(iter(self._queue.values()))
            del self._queue[waiting.id]
            actions.append(self._send(waiting, free, now))
        return actions + (self._connect(now) if self._queue else [])

    def _generic(self, connection: Connection, id: int) -> Waiting | None:
        """Id 0 answers whatever waits; that is only certain for one."""
        if id or len(connection.open) != 1:
            return None
        return next(iter(connection.open.values()))

    def _released(self, connection: Connection, now: float) -> list[Action]:
        """A connection has no call left, or room for the next."""
        connection.since = now
        if connection.last or self.target.shape.mode == "single":
            return [self._close(connection), *self._drain(now)]
        if not self._shared:
            self._free.append(connection)
        return self._drain(now) if self._queue else []

    def _end(self, waiting: Waiting, answer: Answer) -> Respond:
        self._leave(waiting)
        return Respond(waiting.caller, answer)

    def _leave(self, waiting: Waiting) -> None:
        del self._all[waiting.id]
        self._bytes -= waiting.size
        if waiting.connection is None:
            del self._queue[waiting.id]
        else:
            del waiting.connection.open[waiting.id]

    def _late(self, now: float) -> Iterator[Waiting]:
        """All calls of a target have one timeout, so they are late in the order they came."""
        for waiting in self._all.values():
            if waiting.deadline > now:
                return
            yield waiting

    def _timed_out(self, waiting: Waiting) -> list[Action]:
        seconds = self.target.shape.timeout
        connection = waiting.connection
        if connection is None:
            return [self._end(waiting, faults.unreachable(seconds))]
        actions: list[Action] = [self._end(waiting, faults.silent(seconds))]
        if not self._shared or connection.heard <= waiting.sent:
            # Nothing came since: the connection may be dead, or its next answer the late one.
            self._bar(connection)
        if connection.last and not connection.open:
            actions.append(self._close(connection))
        return actions

    def _end_of(self, connection: Connection, now: float) -> float:
        """When a connection has been coming up or idle for too long, at the earliest."""
        shape = self.target.shape
        if not connection.up:
            return connection.since + shape.timeout
        if not shape.idle:
            return float("inf")
        return (now if connection.open else connection.since) + shape.idle

    def _close(self, connection: Connection) -> Close:
        self._forget(connection)
        return Close(connection.id)

    def _forget(self, connection: Connection) -> None:
        self._bar(connection)
        self._connections.pop(connection.id, None)

    def _bar(self, connection: Connection) -> None:
        """No further call goes there."""
        connection.last = True
        if connection in self._free:
            self._free.remove(connection)
