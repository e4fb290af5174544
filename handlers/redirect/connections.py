"""The connections of one output port: they carry out its actions and tell it what happens.

One timer serves all of them, set to the moment when the port has something to do, so that a port
without calls costs nothing. It must never decide which call goes where, or answer one by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ccproxy import Context, Steps, Wire
from ccproxy.config.tls import SecureLinkOptions
from ccproxy.protocols.jolie.sodep import SodepService
from ccproxy.protocols.jolie.sodep.fastpath import SLOW_ANSWER
from ccproxy.protocols.jolie.sodep.records import calls_apart
from ccproxy.protocols.jolie.values import Answer, Answered, Call, Reading, ServiceSide, Unexecuted

from .actions import OpenConnection, PortAction, Respond, WriteRequest
from .faults import CALLER_GONE, Unanswered
from .location import Location
from .output_port import OutputPort
from .target import ServiceTarget

INFINITY = float("inf")

RespondTo = Callable[[Any, Answer], None]
"""Gives an answer to a caller."""


class Connections:
    """One port with its connections."""

    def __init__(
        self, ctx: Context, port: OutputPort, options: SecureLinkOptions, respond: RespondTo
    ) -> None:
        """The certificates in `options` are for services that speak TLS."""
        self.port = port
        self.now = ctx.now
        """Seconds of the context's clock."""
        self.flusher = ctx.flusher
        self._ctx = ctx
        self._options = options
        self._respond = respond
        self._open: dict[int, ServiceConnection] = {}
        self.due = INFINITY
        """When the timer goes off."""

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, caller: Any, call: Call) -> None:
        """Take one call."""
        now = self.now()
        self.do(self.port.ask(caller, call, now))
        self._watch_calls(now)

    def relocate(self, target: ServiceTarget) -> None:
        """Point to another target."""
        self.do(self.port.relocate(target, self.now()))

    def stop(self) -> None:
        """Take no more calls; those sent may still be answered."""
        self.do(self.port.stop(self.now()))

    def cut(self, reason: str) -> None:
        """Close every connection; the calls on it get a fault."""
        for connection in tuple(self._open.values()):
            connection.closed(connection.wire, reason)
            connection.wire.close()

    def do(self, actions: list[PortAction]) -> None:
        """Carry out actions, in order."""
        for action in actions:
            if isinstance(action, WriteRequest):
                self._write(action)
            elif isinstance(action, Respond):
                self._answer(*action)
            elif isinstance(action, OpenConnection):
                number = action.connection
                self._open[number] = ServiceConnection(self, number, action.location)
            else:
                connection = self._open.pop(action.connection, None)
                if connection is not None:
                    connection.wire.close()

    def progress(self, connection: ServiceConnection) -> None:
        """A request or an answer in pieces goes on."""
        self.port.progress(connection.number, self.now())

    def forget(self, number: int) -> None:
        """Drop a connection that has ended."""
        self._open.pop(number, None)

    def dial(self, connection: ServiceConnection, location: Location) -> Wire:
        """Connect."""
        options = self._options
        if not self.port.target.protocol.secured:
            options = replace(options, tls=None)
        return self._ctx.dial(location.dialled, connection, options)

    def unsent(self, connection: ServiceConnection, ids: list[int]) -> None:
        """Calls of the fast path could not be written: they get a fault."""
        for id in ids:
            self.do(self.port.unsent(connection.number, id, self.now()))

    def watch(self) -> None:
        """A call of the fast path was written: set the timer, as for any other call."""
        self._watch_calls(self.now())

    def write_apart(
        self, connection: ServiceConnection, calls: list[bytes], ids: list[int]
    ) -> None:
        """Write calls of the fast path one by one; those that cannot be written get a fault."""
        now = self.now()
        for call, id in zip(calls, ids, strict=True):
            if not connection.wire.write(call):
                self.do(self.port.unsent(connection.number, id, now))
        self._watch_calls(now)

    def work(self, connection: ServiceConnection, steps: Steps[None], size: int) -> None:
        """Read an answer in steps, as long as its connection is not given up."""
        self._ctx.work(steps, size, lambda: connection.number in self._open)

    def _write(self, write: WriteRequest) -> None:
        connection = self._open[write.connection]
        # Calls of the fast path that came before are written before.
        connection.flush()
        wire, pieces = connection.wire, connection.side.send(write.request)
        # A request in pieces is large: they are not joined.
        if not (wire.send(pieces) if len(pieces) > 1 else wire.write(bytes(pieces[0]))):
            self.do(self.port.unsent(write.connection, write.id, self.now()))
        elif connection.side.passage is not None:
            connection.side.passage.bind(connection)

    def _answer(self, caller: Any, answer: Answer) -> None:
        if isinstance(answer, Unanswered):
            self._ctx.unanswered(str(answer.value.tree().payload))
        self._respond(caller, answer)

    def _watch_calls(self, now: float) -> None:
        """A call was taken: set the timer for the moment when it has waited too long."""
        if now + self.port.target.limits.timeout < self.due:
            self._watch(now)

    def _watch(self, now: float) -> None:
        due = self.port.due(now)
        if due < self.due:
            self._set_due(due)
            self._ctx.call_later(max(0.0, due - now), partial(self._tick, due))

    def _set_due(self, due: float) -> None:
        self.due = due
        for connection in self._open.values():
            connection.watched(due)

    def _tick(self, due: float) -> None:
        # The timer may have been set to an earlier moment since.
        if due != self.due:
            return
        self._set_due(INFINITY)
        now = self.now()
        for connection in self._open.values():
            if (passage := connection.side.passage) is not None and passage.held:
                # Its caller has no room: the listener says how long that may be.
                self.progress(connection)
        self.do(self.port.tick(now))
        self._watch(now)


class ServiceConnection:
    """One connection to a service: reads and writes its wire."""

    def __init__(self, owner: Connections, number: int, location: Location) -> None:
        self.number = number
        self.side: ServiceSide = owner.port.side(number)
        self._upstream = upstream = owner.port.upstream(number)
        self._owner = owner
        self._apart = owner.port.apart(number)
        if upstream is not None:
            upstream.wake = owner.flusher(self if self._apart else upstream)
            upstream.unsent, upstream.watch = partial(owner.unsent, self), owner.watch
            upstream.watched = owner.due
        self._up = self._reading = False
        self._end: str | None = None
        self.wire = wire = owner.dial(self, location)
        self.pause = wire.pause
        if isinstance(self.side, SodepService):
            wire.divert(self.side.pass_on, self._remains)

    def opened(self, wire: Wire) -> None:
        """Connected."""
        self._up = True
        if self._upstream is not None:
            self._upstream.send = wire.send
        owner = self._owner
        owner.do(owner.port.opened(self.number, owner.now()))

    def flush(self) -> None:
        """Write the calls of the fast path; the flush queue calls it at the end of a turn."""
        upstream = self._upstream
        if upstream is None or not upstream.due:
            return
        if self._apart:
            self._owner.write_apart(self, *calls_apart(upstream))
        else:
            upstream.flush()

    def watched(self, due: float) -> None:
        """The timer of the port goes off then."""
        if self._upstream is not None:
            self._upstream.watched = due

    # What a passage needs of it

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written."""
        return self.wire.waiting

    def write(self, data: bytes) -> bool:
        """Queue bytes of a request that is under way."""
        self._owner.progress(self)
        return self.wire.write(data)

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call once, when some of what waits is written."""
        self.wire.when_sent(partial(self._sent, call))

    def resume(self) -> None:
        """Read again: the service has its time from now on."""
        self._owner.progress(self)
        self.wire.resume()

    def _sent(self, call: Callable[[], None]) -> None:
        self._owner.progress(self)
        call()

    def abandon(self) -> None:
        """End the connection, because the caller of its request is gone."""
        owner = self._owner
        owner.forget(self.number)
        owner.do(owner.port.lost(self.number, CALLER_GONE, owner.now()))
        self.wire.close()

    def received(self, wire: Wire, data: bytes) -> None:
        """Bytes of answers; `b""` means that the service has closed."""
        side = self.side
        if side.passage is not None:
            self._owner.progress(self)
        self._take(side.feed(data) if data else side.eof(), not data)

    def _remains(self, answers: list[Answered]) -> None:
        """Bytes of answers were fed, of which these are left."""
        self._take(answers, False)

    def _take(self, answers: list[Answered], closed: bool) -> None:
        """Take the answers that became whole; `closed`: they are the last ones."""
        owner, upstream, wire = self._owner, self._upstream, self.wire
        port, now = owner.port, owner.now()
        if answers and isinstance(reading := answers[0].answer, Reading):
            self._reading = True
            owner.work(self, self._read(wire, answers[0].id, reading.steps), reading.size)
        if self._reading:
            self._end = "" if closed else self._end
            return
        if not closed:
            if upstream is not None and upstream.load.took > SLOW_ANSWER:
                owner.do(port.late(self.number, now))
            if upstream is not None and not answers and not upstream.last and not self.side.broken:
                upstream.heard = now
                return
            owner.do(answered(port, self.number, self.side, answers, now))
            if not self.side.broken:
                return
        else:
            owner.do(ended(port, self.number, self.side, answers, now))
        owner.forget(self.number)
        wire.close()

    def _read(self, wire: Wire, id: int, steps: Steps[Answer | Unexecuted | None]) -> Steps[None]:
        """Take a large answer once it is read, and what happened to the connection meanwhile."""
        answer = yield from steps
        self._reading = False
        answers = [] if answer is None else [Answered(id, answer)]
        owner = self._owner
        owner.do(answered(owner.port, self.number, self.side, answers, owner.now()))
        if self.side.broken:
            owner.forget(self.number)
            wire.close()
        elif self._end == "":
            self.received(wire, b"")
        elif self._end is not None:
            self.closed(wire, self._end)

    def closed(self, wire: Wire, reason: str) -> None:
        """The connection failed or has ended."""
        owner = self._owner
        if self._reading:
            self._end = self._end or reason
            return
        owner.forget(self.number)
        if self._up:
            actions = owner.port.lost(self.number, reason, owner.now())
        else:
            actions = owner.port.refused(self.number, reason, owner.now())
        owner.do(actions)


def ended(
    port: OutputPort, number: int, side: ServiceSide, answers: list[Answered], now: float
) -> list[PortAction]:
    """The service closed a connection, with these answers behind all others; the calls left on it
    are lost."""
    port.ending(number)
    actions = answered(port, number, side, answers, now)
    return actions + port.lost(number, "", now)


def answered(
    port: OutputPort, number: int, side: ServiceSide, answers: list[Answered], now: float
) -> list[PortAction]:
    """Answers came in on a connection; `side` has read them and nothing since.

    The port hears that no call may follow before it hears of the answer that frees the connection.
    """
    if side.closing or side.broken:
        port.ending(number)
    actions = port.answered(number, answers, now)
    if side.broken:
        reason = f"The answer of the service cannot be read: {side.broken}"
        actions += port.lost(number, reason, now)
    return actions
