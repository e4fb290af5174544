"""The two forms of a connection to the Manager: a link of this server, or plain text.

A connection says when it is there, when it has ended, and what text came. This module must never
decide when to try again: the engine says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ccproxy import Context, Link, LinkOptions, Message, Send, Wire
from ccproxy.protocols import ssmmp

from .options import PLAIN

CONNECT_TIMEOUT = 5.0
"""Seconds until an attempt to connect has failed."""
_UP = "up"


@dataclass(frozen=True, slots=True)
class ConnectionCallbacks:
    """The functions that a connection to the Manager calls; `unlinked` gets the reason."""

    linked: Callable[[], None]
    unlinked: Callable[[str], None]
    received: Callable[[str | bytes], None]


class ManagerConnection(Protocol):
    """What the agent needs of a connection to its Manager."""

    def connect(self) -> None:
        """Try once; `linked` or `unlinked` follows."""

    def send(self, message: ssmmp.SsmmpMessage) -> None:
        """Send a message; it is lost if the connection ends."""

    def close(self) -> None:
        """Close the connection; no callback follows."""


def connection_to(address: str, ctx: Context, callbacks: ConnectionCallbacks) -> ManagerConnection:
    """The form of connection that an address asks for."""
    if address.startswith(PLAIN):
        return TextConnection(address.replace(PLAIN, "tcp://", 1), ctx, callbacks)
    return LinkConnection(address, ctx, callbacks)


class TextConnection:
    """Plain text on a connection of its own; the owner of a wire."""

    def __init__(self, address: str, ctx: Context, callbacks: ConnectionCallbacks) -> None:
        self._address = address
        self._ctx = ctx
        self._callbacks = callbacks
        self._wire: Wire | None = None
        self._reader = ssmmp.Reader()

    def connect(self) -> None:
        """Dial."""
        self.close()
        self._reader = ssmmp.Reader()
        options = LinkOptions(handshake_timeout=CONNECT_TIMEOUT)
        self._wire = self._ctx.dial(self._address, self, options)

    def send(self, message: ssmmp.SsmmpMessage) -> None:
        """Queue the text of a message."""
        if self._wire is not None and not self._wire.write(ssmmp.format(message)):
            self._lost("the Manager reads too slowly")

    def close(self) -> None:
        """Close the wire."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def opened(self, wire: Wire) -> None:
        """The wire is connected."""
        self._callbacks.linked()

    def received(self, wire: Wire, data: bytes) -> None:
        """Text came."""
        for unit in self._reader.feed(data):
            self._callbacks.received(unit)
        if self._reader.broken:
            self._lost(self._reader.broken)

    def closed(self, wire: Wire, reason: str) -> None:
        """The wire could not be connected, or has ended."""
        if wire is self._wire or self._wire is None:
            self._wire = None
            self._callbacks.unlinked(reason)

    def _lost(self, reason: str) -> None:
        self.close()
        self._callbacks.unlinked(reason)


class LinkConnection:
    """A link of this server: messages travel as CC, through any number of servers.

    The link connects by itself, again and again. The agent counts as connected from a `connect`
    for which the link is up until the link is down; between `close` and the next `connect` the
    link stays, and nothing that it does or brings is passed on.
    """

    def __init__(self, address: str, ctx: Context, callbacks: ConnectionCallbacks) -> None:
        self._address = address
        self._ctx = ctx
        self._callbacks = callbacks
        self._link: Link | None = None
        self._connected = False
        self._connecting = False
        self._attempt = 0

    def connect(self) -> None:
        """Open the link, once; wait until it is up."""
        if self._link is None:
            # A few messages at most wait for a Manager that is away: the agent says all anew.
            options = LinkOptions(reconnect_max=1.0, queue_messages=100_000)
            self._link = self._ctx.link(self._address, options, self._message)
            self._link.on_state(self._state_changed)
        self._connected, self._connecting = False, True
        self._attempt += 1
        self._ctx.call_later(CONNECT_TIMEOUT, partial(self._late, self._attempt))
        self._state_changed(self._link.state)

    def send(self, message: ssmmp.SsmmpMessage) -> None:
        """Send a message over the link."""
        value = ssmmp.value_of(message)
        self._ctx.act(Send(self._link, ssmmp.type_of(message), value))

    def close(self) -> None:
        """Pass on nothing of the link any more."""
        self._connected = self._connecting = False

    def _message(self, message: Message) -> None:
        if not self._connected:
            return
        try:
            text = ssmmp.text_of(message.value())
        except ValueError as error:
            self._ctx.log.warning("no text from the Manager type=%s: %s", message.type, error)
            return
        self._callbacks.received(text)

    def _state_changed(self, state: str) -> None:
        if self._connecting and state == _UP:
            self._connected, self._connecting = True, False
            self._callbacks.linked()
        elif self._connected and state != _UP:
            self.close()
            self._callbacks.unlinked("the link is down")

    def _late(self, attempt: int) -> None:
        if self._connecting and attempt == self._attempt:
            self.close()
            self._callbacks.unlinked("the link is not up")
