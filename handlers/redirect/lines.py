"""The connections of one port: carries out what its core asks, and tells it what happens.

One timer watches all of them, set to the moment the core has something to do, so that a port
nobody calls costs nothing. It must never decide which call goes where, or answer one by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy import Context, LinkOptions, Wire
from ccproxy.wire.values import Answer, Call, ServiceSide

from . import pump
from .actions import Action, Open, Respond, Write
from .location import Location
from .port import Port
from .target import Target

RespondTo = Callable[[Any, Answer], None]
"""Gives an answer to a caller."""


class Lines:
    """One port with its connections."""

    def __init__(self, ctx: Context, port: Port, options: LinkOptions, respond: RespondTo) -> None:
        self.port = port
        self._ctx = ctx
        self._options = options
        self._respond = respond
        self._open: dict[int, Line] = {}
        self._watched = False

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, caller: Any, call: Call) -> None:
        """Take one call."""
        now = self._ctx.now()
        self.do(self.port.ask(caller, call, now))
        if not self._watched:
            self._watch(now)

    def relocate(self, target: Target) -> None:
        """Point to another target."""
        self.do(self.port.relocate(target, self._ctx.now()))

    def stop(self) -> None:
        """Take no more calls; those sent may still be answered."""
        self.do(self.port.stop(self._ctx.now()))

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
                self._open.pop(action.connection).wire.close()

    def forget(self, number: int) -> None:
        """A connection is over."""
        self._open.pop(number, None)

    def dial(self, line: Line, location: Location) -> Wire:
        """Connect for a line."""
        return self._ctx.dial(location.dialled, line, self._options)

    def now(self) -> float:
        """Seconds of the context's clock."""
        return self._ctx.now()

    def _write(self, write: Write) -> None:
        line = self._open[write.connection]
        if not line.wire.write(line.side.send(write.request)):
            self.do(self.port.unsent(write.connection, write.id, self._ctx.now()))

    def _watch(self, now: float) -> None:
        due = self.port.due(now)
        self._watched = due != float("inf")
        if self._watched:
            self._ctx.call_later(max(0.0, due - now), self._tick)

    def _tick(self) -> None:
        now = self._ctx.now()
        self.do(self.port.tick(now))
        self._watch(now)


class Line:
    """One connection; hears what happens on its wire."""

    def __init__(self, lines: Lines, number: int, location: Location) -> None:
        self.number = number
        self.side: ServiceSide = lines.port.form(number).service()
        self._lines = lines
        self._up = False
        self.wire = lines.dial(self, location)

    def opened(self, wire: Wire) -> None:
        """Connected."""
        self._up = True
        lines = self._lines
        lines.do(lines.port.opened(self.number, lines.now()))

    def received(self, wire: Wire, data: bytes) -> None:
        """Bytes of answers; `b""`: the service has closed."""
        lines = self._lines
        port, now = lines.port, lines.now()
        if data:
            lines.do(pump.received(port, self.number, self.side, data, now))
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
