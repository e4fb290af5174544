"""The connections of one port: carries out what its core asks, and tells it what happens.

One timer watches all of them, set to the moment the core has something to do, so that a port
nobody calls costs nothing. It must never decide which call goes where, or answer one by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ccproxy import Context, LinkOptions, Wire
from ccproxy.protocols.jolie.values import Answer, Call, ServiceSide

from . import pump
from .actions import Action, Open, Respond, Write
from .location import Location
from .pool import LONG
from .port import Port
from .target import Target

INFINITY = float("inf")

RespondTo = Callable[[Any, Answer], None]
"""Gives an answer to a caller."""


class Lines:
    """One port with its connections."""

    def __init__(self, ctx: Context, port: Port, options: LinkOptions, respond: RespondTo) -> None:
        self.port = port
        self.now = ctx.now
        """Seconds of the context's clock."""
        self._ctx = ctx
        self._options = options
        self._respond = respond
        self._open: dict[int, Line] = {}
        self._due = INFINITY

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, caller: Any, call: Call) -> None:
        """Take one call."""
        now = self.now()
        self.do(self.port.ask(caller, call, now))
        self._watch_calls(now)

    def relocate(self, target: Target) -> None:
        """Point to another target."""
        self.do(self.port.relocate(target, self.now()))

    def stop(self) -> None:
        """Take no more calls; those sent may still be answered."""
        self.do(self.port.stop(self.now()))

    def cut(self, reason: str) -> None:
        """Close every connection; who waits for an answer on it is told."""
        for line in tuple(self._open.values()):
            line.closed(line.wire, reason)
            line.wire.close()

    def do(self, actions: list[Action]) -> None:
        """Carry out actions, in order."""
        for action in actions:
            if isinstance(action, Write):
                self._write(action)
            elif isinstance(action, Respond):
                self._respond(*action)
            elif isinstance(action, Open):
                self._open[action.connection] = Line(self, action.connection, action.location)
            else:
                line = self._open.pop(action.connection, None)
                if line is not None:
                    line.wire.close()

    def forget(self, number: int) -> None:
        """A connection is over."""
        self._open.pop(number, None)

    def dial(self, line: Line, location: Location) -> Wire:
        """Connect for a line."""
        return self._ctx.dial(location.dialled, line, self._options)

    def straight(self, line: Line, pieces: list[bytes | memoryview], ids: list[int]) -> None:
        """Write calls that went straight; if that fails, `ids` are answered."""
        now = self.now()
        if not line.wire.send(pieces):
            for id in ids:
                self.do(self.port.unsent(line.number, id, now))
        self._watch_calls(now)

    def flush_later(self, line: Line) -> None:
        """Have `line.flush` called at the end of the turn."""
        self._ctx.flush_later(line)

    def _write(self, write: Write) -> None:
        line = self._open[write.connection]
        # In the order in which they came.
        line.flush()
        if not line.wire.write(line.side.send(write.request)):
            self.do(self.port.unsent(write.connection, write.id, self.now()))

    def _watch_calls(self, now: float) -> None:
        """A call was taken: be there when it has waited long enough."""
        if now + self.port.target.shape.timeout < self._due:
            self._watch(now)

    def _watch(self, now: float) -> None:
        due = self.port.due(now)
        if due < self._due:
            self._due = due
            self._ctx.call_later(max(0.0, due - now), partial(self._tick, due))

    def _tick(self, due: float) -> None:
        # An earlier moment may have been set since.
        if due != self._due:
            return
        self._due = INFINITY
        now = self.now()
        self.do(self.port.tick(now))
        self._watch(now)


class Line:
    """One connection; hears what happens on its wire."""

    def __init__(self, lines: Lines, number: int, location: Location) -> None:
        self.number = number
        self.side: ServiceSide = lines.port.side(number)
        self._trunk = lines.port.trunk(number)
        if self._trunk is not None:
            self._trunk.wake = self._wake
        self._lines = lines
        self._up = False
        self.wire = lines.dial(self, location)

    def opened(self, wire: Wire) -> None:
        """Connected."""
        self._up = True
        lines = self._lines
        lines.do(lines.port.opened(self.number, lines.now()))

    def flush(self) -> None:
        """At the end of a turn: write the calls that went straight."""
        trunk = self._trunk
        if trunk is not None and trunk.due:
            self._lines.straight(self, *trunk.take())

    def _wake(self) -> None:
        self._lines.flush_later(self)

    def received(self, wire: Wire, data: bytes) -> None:
        """Bytes of answers; `b""`: the service has closed."""
        lines, trunk = self._lines, self._trunk
        port, now = lines.port, lines.now()
        if data:
            answers = self.side.feed(data)
            if trunk is not None and trunk.load.took > LONG:
                lines.do(port.late(self.number, now))
            if trunk is not None and not answers and not trunk.last and not self.side.broken:
                trunk.heard = now
                return
            lines.do(pump.told(port, self.number, self.side, answers, now))
            if not self.side.broken:
                return
        else:
            lines.do(pump.ended(port, self.number, self.side, "", now))
        lines.forget(self.number)
        wire.close()

    def closed(self, wire: Wire, reason: str) -> None:
        """Not connected, or not any more."""
        lines = self._lines
        lines.forget(self.number)
        if self._up:
            actions = pump.ended(lines.port, self.number, self.side, reason, lines.now())
        else:
            actions = lines.port.refused(self.number, reason, lines.now())
        lines.do(actions)
