"""The calls to one target: which connection carries each, and which caller gets each answer.

    waiting (no connection yet) -> sent -> answered | lost | silent
    waiting -> refused | unreachable | moved (the port was relocated)

Every call that `ask` takes ends in exactly one `Respond`, or comes back from `retire`. Each call
gets a new id, so answers to several callers cannot be mixed up; an answer that matches no call,
such as a second one or one after its timeout, is counted and dropped. A call is never sent twice
if it may have been executed. Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from ccproxy.protocols.jolie.values import Answer, Answered, Call, Reading, Unexecuted, Unportable

from . import faults
from .actions import PortAction, Respond, WriteRequest
from .pending import MAX_RETRIES, ConnectionState, PendingCall
from .pool import ConnectionPool
from .target import ServiceTarget


class TargetCalls:
    """The calls to one target, from the moment a port points to it until the last is answered."""

    def __init__(
        self,
        target: ServiceTarget,
        numbers: Iterator[int],
        clock: Callable[[], float] | None = None,
    ) -> None:
        """The arguments are those of `ConnectionPool`."""
        self.target = target
        self.unmatched = 0
        """Answers that matched no call."""
        self.pool = ConnectionPool(target, numbers, clock)
        self._load = self.pool.load
        self._all: dict[int, PendingCall] = {}
        self._queue: OrderedDict[int, PendingCall] = OrderedDict()
        self._retired = False

    def __len__(self) -> int:
        return self._load.calls

    @property
    def done(self) -> bool:
        """Retired, all calls answered, all connections closed."""
        return self._retired and not self.pool and not self._all

    def ask(self, caller: Any, call: Call, now: float) -> list[PortAction]:
        """Take one call; its path is relative to the target's location."""
        return self.take(PendingCall(caller, call, now + self.target.limits.timeout), now)

    def take(self, waiting: PendingCall, now: float) -> list[PortAction]:
        """Take a call that may have waited elsewhere; its deadline stays."""
        caller, call = waiting.caller, waiting.call
        load = self._load
        if call is None or load.calls >= load.most_calls:
            return [Respond(caller, faults.full(f"{load.most_calls} without answer"))]
        path = self.target.location.forward(call.path)
        waiting.id = next(self.pool.ids)
        try:
            waiting.write(
                self.pool.form.request(Call(path, call.operation, call.value), waiting.id)
            )
        except Unportable as reason:
            fault = faults.not_portable(self.target.protocol.word, str(reason))
            return [Respond(caller, fault)]
        if load.full(waiting.size):
            return [Respond(caller, faults.full(f"{load.most_bytes} bytes without answer"))]
        self._all[waiting.id] = waiting
        load.calls += 1
        load.bytes += waiting.size
        return self._place(waiting, now)

    def opened(self, connection: int, now: float) -> list[PortAction]:
        """A connection is up."""
        found = self.pool.find(connection)
        if found is None:
            return []
        self.pool.opened(found, now)
        return self._drain(now)

    def refused(self, connection: int, reason: str, now: float) -> list[PortAction]:
        """A connection could not be made; if no other is usable, the waiting calls get a fault."""
        found = self.pool.find(connection)
        if found is None:
            return []
        self.pool.refused(found, now)
        if self.pool.usable():
            return []
        fault = faults.refused(reason)
        return [self._end(one, fault) for one in tuple(self._queue.values())]

    def answered(self, connection: int, answers: list[Answered], now: float) -> list[PortAction]:
        """Answers came in. If the service closes behind them, call `ending` before."""
        found = self.pool.find(connection)
        if found is None:
            return []
        found.hear(now)
        actions: list[PortAction] = []
        matched = False
        for id, answer in answers:
            assert not isinstance(answer, Reading), "an answer is read before it is passed on"
            waiting = found.open.get(id)
            matched = matched or waiting is not None
            if waiting is not None:
                self._load.time(now - waiting.sent)
                if isinstance(answer, Unexecuted):
                    actions += self._again(waiting, answer, now)
                else:
                    actions.append(self._end(waiting, answer))
            elif not id and found.busy == 1 and not isinstance(answer, Unexecuted):
                # Id 0 answers the waiting call; it is certain which one only if there is one.
                matched = True
                actions += self._end_all(found, answer)
            else:
                self.unmatched += 1
        if not found.busy and (matched or self.pool.shared):
            actions += self._released(found, now)
        return actions

    def progress(self, connection: int, now: float) -> None:
        """The calls on a connection have their time again, for they go on piece by piece."""
        found = self.pool.find(connection)
        for waiting in found.open.values() if found is not None else ():
            waiting.deadline = now + self.target.limits.timeout
            # The order of all calls is that of their deadlines.
            self._all[waiting.id] = self._all.pop(waiting.id)

    def late(self, now: float) -> list[PortAction]:
        """The service takes long to answer: open one more connection if that may help."""
        return [] if self._retired else self.pool.grow(now)

    def unsent(self, connection: int, id: int, now: float) -> list[PortAction]:
        """A request could not be written: too much waits for a service that does not read."""
        found = self.pool.find(connection)
        if found is None or (id not in found.open and id not in found.fast_calls):
            return []
        self.pool.stop_using(found)
        fault = faults.full("the service does not read")
        waiting = found.open.get(id)
        end = self._end(waiting, fault) if waiting else self._cut(found, id, fault)
        return [end] if found.busy else [end, self.pool.close(found)]

    def ending(self, connection: int) -> None:
        """The service takes no further call on this connection."""
        found = self.pool.find(connection)
        if found is not None:
            self.pool.stop_using(found)

    def lost(self, connection: int, reason: str, now: float) -> list[PortAction]:
        """A connection ended or cannot be read on; calls sent on it get a fault at once."""
        found = self.pool.find(connection)
        if found is None:
            return []
        fault = faults.lost(reason)
        actions: list[PortAction] = [*self._end_all(found, fault)]
        self.pool.forget(found)
        return actions + self._drain(now)

    def tick(self, now: float) -> list[PortAction]:
        """Answer the calls that waited too long, close the connections that were idle too long."""
        actions: list[PortAction] = []
        for waiting in tuple(self._late(now)):
            actions += self._timed_out(waiting)
        for connection in self.pool:
            actions += self._late_fast_calls(connection, now)
        for connection in self.pool:
            if self.pool.end_of(connection, now) <= now:
                actions.append(self.pool.close(connection))
        return actions + self._drain(now)

    def retire(self, now: float) -> tuple[list[PortAction], list[PendingCall]]:
        """Take no more calls; return those that are not sent yet, the others end here."""
        self._retired = True
        moved = list(self._queue.values())
        for waiting in moved:
            self._leave(waiting)
        actions: list[PortAction] = []
        for connection in self.pool:
            self.pool.stop_using(connection)
            if not connection.busy:
                actions.append(self.pool.close(connection))
        return actions, moved

    def deadline(self) -> float:
        """When `tick` has to answer the next call; infinity if no call waits."""
        first = next((one.deadline for one in self._all.values()), float("inf"))
        return min([first, *(one.deadline() for one in self.pool)])

    def due(self, now: float) -> float:
        """When `tick` has something to do at the earliest; infinity if nothing is to be watched."""
        ends = [self.pool.end_of(one, now) for one in self.pool]
        if ends:
            # A busy connection may have no call left soon: then it has to be looked at in time.
            ends.append(now + min(self.target.limits.idle or float("inf"), self.target.lifetime))
        return min([self.deadline(), *ends])

    def _place(self, waiting: PendingCall, now: float) -> list[PortAction]:
        """Send a call at once if a connection is free, else let it wait for one."""
        closed = self.pool.retire_old(now)
        free = self.pool.pick()
        if free is not None:
            return [*closed, self._send(waiting, free, now), *self.pool.widen(now)]
        self._queue[waiting.id] = waiting
        return closed + self.pool.connect(len(self._queue), now)

    def _send(self, waiting: PendingCall, connection: ConnectionState, now: float) -> WriteRequest:
        waiting.connection = connection
        waiting.sent = now
        waiting.call = None
        request, waiting.request = waiting.request, None
        connection.open[waiting.id] = waiting
        return WriteRequest(connection.id, request, waiting.id)

    def _again(self, waiting: PendingCall, refused: Unexecuted, now: float) -> list[PortAction]:
        """Send a call that was not executed once more, if the target still takes calls."""
        if self._retired or waiting.tries >= MAX_RETRIES or now >= waiting.deadline:
            return [self._end(waiting, refused.fault)]
        self._load.bytes -= waiting.size
        waiting.again(refused.request)
        self._load.bytes += waiting.size
        return self._place(waiting, now)

    def _drain(self, now: float) -> list[PortAction]:
        """Send what waits on what is free; open more for the rest."""
        actions = self.pool.retire_old(now) if self._queue else []
        while self._queue and (free := self.pool.pick()):
            waiting = next(iter(self._queue.values()))
            del self._queue[waiting.id]
            actions.append(self._send(waiting, free, now))
        return actions + (self.pool.connect(len(self._queue), now) if self._queue else [])

    def _released(self, connection: ConnectionState, now: float) -> list[PortAction]:
        """A connection has no call left, or room for the next."""
        connection.since = now
        single = self.target.limits.mode == "single"
        if connection.last or single or self.pool.surplus or self.pool.is_old(connection, now):
            return [self.pool.close(connection), *self._drain(now)]
        if not self.pool.shared:
            self.pool.free(connection)
        return self._drain(now) if self._queue else []

    def _end(self, waiting: PendingCall, answer: Answer) -> Respond:
        self._leave(waiting)
        return Respond(waiting.caller, answer)

    def _end_all(self, connection: ConnectionState, answer: Answer) -> list[Respond]:
        """Answer all calls of a connection alike."""
        ends = [self._end(one, answer) for one in tuple(connection.open.values())]
        return ends + [self._cut(connection, id, answer) for id in tuple(connection.fast_calls)]

    def _cut(self, connection: ConnectionState, id: int, answer: Answer) -> Respond:
        """End a call of the fast path."""
        assert connection.upstream is not None
        return Respond(connection.upstream.end(id), answer)

    def _leave(self, waiting: PendingCall) -> None:
        del self._all[waiting.id]
        self._load.calls -= 1
        self._load.bytes -= waiting.size
        if waiting.connection is None:
            del self._queue[waiting.id]
        else:
            del waiting.connection.open[waiting.id]

    def _late(self, now: float) -> Iterator[PendingCall]:
        """All calls of a target have one timeout, so they are late in the order they came."""
        for waiting in self._all.values():
            if waiting.deadline > now:
                return
            yield waiting

    def _late_fast_calls(self, connection: ConnectionState, now: float) -> list[PortAction]:
        """Answer the calls of the fast path that waited too long."""
        late = tuple(connection.late(now))
        if not late:
            return []
        if connection.heard <= connection.fast_calls[late[-1]].sent:
            self.pool.stop_using(connection)
        fault = faults.silent(self.target.limits.timeout)
        actions: list[PortAction] = [self._cut(connection, id, fault) for id in late]
        if connection.last and not connection.busy:
            actions.append(self.pool.close(connection))
        return actions

    def _timed_out(self, waiting: PendingCall) -> list[PortAction]:
        seconds = self.target.limits.timeout
        connection = waiting.connection
        if connection is None:
            return [self._end(waiting, faults.unreachable(seconds))]
        actions: list[PortAction] = [self._end(waiting, faults.silent(seconds))]
        if not self.pool.shared or connection.heard <= waiting.sent:
            # No answer came since: the connection may be dead, or answer the late call next.
            self.pool.stop_using(connection)
        if connection.last and not connection.busy:
            actions.append(self.pool.close(connection))
        return actions
