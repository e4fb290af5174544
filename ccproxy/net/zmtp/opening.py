"""The handshake of one connection: bytes to the machine, its bytes to the socket, and its limits.

It must never look at what comes after the handshake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ccproxy.net.sender import CLOSED, SAID_NOTHING, Sender
from ccproxy.net.zmtp.role import ConnectionConfig
from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp import Failed, Handshake, HandshakeEvent, Peer, Ready, Transmit
from ccproxy.wire.zmtp.mechanism import MechanismStep, Work


class Opened(Protocol):
    """The connection that is opened."""

    name: str
    closed: bool

    def opened(self, peer: Peer, seal: Seal | None, rest: bytes) -> None:
        """The handshake is done; `rest` are the bytes behind it."""

    def close(self, reason: str) -> None:
        """Close now."""

    def read(self, yes: bool) -> None:
        """Read from the socket, or do not for a time."""


class Opening:
    """One handshake, with the time it may take, and what is done when it fails."""

    __slots__ = ("_config", "_connection", "_handshake", "_heard", "_loop", "_sender", "_timer")

    def __init__(
        self, handshake: Handshake, connection: Opened, sender: Sender, config: ConnectionConfig
    ) -> None:
        self._handshake = handshake
        self._connection = connection
        self._sender = sender
        self._config = config
        self._heard = False
        self._loop = asyncio.get_running_loop()
        seconds = config.options.handshake_timeout
        self._timer = self._loop.call_later(seconds, self._too_slow, seconds)

    def start(self) -> None:
        """Send our first bytes."""
        self._sender.command(self._handshake.start())

    def stop(self) -> None:
        """It is over."""
        self._timer.cancel()

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer."""
        self._heard = True
        self._obey(self._handshake.receive(data))

    def meaning_of_end(self, reason: str) -> str:
        """Why the peer may have ended the connection now, which for us it did for this reason."""
        if not self._heard:
            return SAID_NOTHING
        return (reason == CLOSED and self._handshake.hint) or reason

    def _obey(self, events: list[HandshakeEvent]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._sender.command(event.data)
            elif isinstance(event, Work):
                self._connection.read(False)
                self._config.handshakes.do(event, self._worked)
            elif isinstance(event, Failed):
                self._sender.command(event.transmit)
                self._failed(event.reason)
            elif isinstance(event, Ready):
                self._timer.cancel()
                self._connection.opened(event.peer, self._handshake.seal, self._handshake.rest)
            if self._connection.closed:
                return

    def _worked(self, outcome: Callable[[], MechanismStep]) -> None:
        if not self._connection.closed:
            self._connection.read(True)
            self._obey(self._handshake.resume(outcome))

    def _failed(self, reason: str) -> None:
        """Close, at once or after a pause, which slows down a client that tries again and again."""
        pause = self._config.pause(self._connection.name)
        self._timer.cancel()
        if not pause or self._connection.closed:
            self._connection.close(reason)
            return
        self._connection.read(False)
        self._timer = self._loop.call_later(pause, self._connection.close, reason)

    def _too_slow(self, seconds: float) -> None:
        waiting = self._handshake.waiting_for
        self._connection.close(f"no handshake within {seconds:g} s, still waiting for {waiting}")
