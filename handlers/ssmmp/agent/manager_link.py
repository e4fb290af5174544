"""The connection to the Manager, in its two forms: a link of this server, or plain text.

It must never decide when to try again: the agent says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ccproxy import Context, Link, LinkOptions, Message, Send, Wire
from ccproxy.protocols import ssmmp

from .options import PLAIN

PATIENCE = 5.0
"""Seconds until an attempt to connect has failed."""
LOOK = 0.1
"""Seconds between two looks at the state of a link."""


@dataclass(frozen=True, slots=True)
class Hears:
    """Who is told what happens on a line."""

    linked: Callable[[], None]
    unlinked: Callable[[str], None]
    received: Callable[[str | bytes], None]


class Line(Protocol):
    """What the agent needs of a connection to its Manager."""

    def connect(self) -> None:
        """Try once; `linked` or `unlinked` follows."""

    def send(self, message: ssmmp.Message) -> None:
        """Send a message; it is lost if the connection ends."""

    def close(self) -> None:
        """Hang up; nothing follows."""


def line_to(address: str, ctx: Context, hears: Hears) -> Line:
    """The line that an address asks for."""
    if address.startswith(PLAIN):
        return TextLine(address.replace(PLAIN, "tcp://", 1), ctx, hears)
    return LinkLine(address, ctx, hears)


class TextLine:
    """Plain text on a connection of its own; the owner of a wire."""

    def __init__(self, address: str, ctx: Context, hears: Hears) -> None:
        self._address = address
        self._ctx = ctx
        self._hears = hears
        self._wire: Wire | None = None
        self._reader = ssmmp.Reader()

    def connect(self) -> None:
        """Dial."""
        self.close()
        self._reader = ssmmp.Reader()
        options = LinkOptions(handshake_timeout=PATIENCE)
        self._wire = self._ctx.dial(self._address, self, options)

    def send(self, message: ssmmp.Message) -> None:
        """Queue the text of a message."""
        if self._wire is not None and not self._wire.write(ssmmp.format(message)):
            self._lost("the Manager reads too slowly")

    def close(self) -> None:
        """Hang up."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def opened(self, wire: Wire) -> None:
        """Connected."""
        self._hears.linked()

    def received(self, wire: Wire, data: bytes) -> None:
        """Text came."""
        for unit in self._reader.feed(data):
            self._hears.received(unit)
        if self._reader.broken:
            self._lost(self._reader.broken)

    def closed(self, wire: Wire, reason: str) -> None:
        """Not connected, or not any more."""
        if wire is self._wire or self._wire is None:
            self._wire = None
            self._hears.unlinked(reason)

    def _lost(self, reason: str) -> None:
        self.close()
        self._hears.unlinked(reason)


class LinkLine:
    """A link of this server: messages travel as CC, through any number of servers. The link is up
    or not by itself; a line on it counts as connected from `connect` until the link goes down."""

    def __init__(self, address: str, ctx: Context, hears: Hears) -> None:
        self._address = address
        self._ctx = ctx
        self._hears = hears
        self._link: Link | None = None
        self._until = 0.0
        self._up = False
        self._looking = False
        self._times = 0

    def connect(self) -> None:
        """Open the link, once; look whether it is up."""
        if self._link is None:
            # A few messages at most wait for a Manager that is away: the agent says all anew.
            options = LinkOptions(reconnect_max=1.0, queue_messages=100_000)
            self._link = self._ctx.link(self._address, options, self._message)
        self._up = False
        self._until = self._ctx.now() + PATIENCE
        if not self._looking:
            self._looking = True
            self._look()

    def send(self, message: ssmmp.Message) -> None:
        """Send a message over the link."""
        value = ssmmp.value_of(message)
        self._ctx.act(Send(self._link, ssmmp.type_of(message), value))

    def close(self) -> None:
        """The link stays, nobody listens to it."""
        self._up, self._until = False, 0.0

    def _message(self, message: Message) -> None:
        if not self._up:
            return
        try:
            text = ssmmp.text_of(message.value())
        except ValueError as error:
            self._ctx.log.warning("no text from the Manager type=%s: %s", message.type, error)
            return
        self._hears.received(text)

    def _look(self) -> None:
        """Again and again while the line is wanted."""
        assert self._link is not None
        up = self._link.state == "up"
        times = int(getattr(self._link, "reconnects", 0))
        if self._up and (not up or times != self._times):
            self.close()
            self._hears.unlinked("the link is down")
        elif self._until and not self._up:
            self._try(up, times)
        self._looking = self._up or self._until > 0
        if self._looking:
            self._ctx.call_later(LOOK, self._look)

    def _try(self, up: bool, times: int) -> None:
        if up:
            self._up, self._until, self._times = True, 0.0, times
            self._hears.linked()
        elif self._ctx.now() >= self._until:
            self._until = 0.0
            self._hears.unlinked("the link is not up")
