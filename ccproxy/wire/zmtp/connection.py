"""A whole ZMTP connection without a socket: handshake, messages, commands, and the PONG to a PING.

It is for tests, tools and small programs; the switch walks its read buffers itself. It must never
touch a socket or a clock: a program that wants to send PINGs itself uses `Heartbeat`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp.commands import Command, Ping, parse_frame, pong
from ccproxy.wire.zmtp.frames import COMMAND, pack, unpack
from ccproxy.wire.zmtp.gather import Gather
from ccproxy.wire.zmtp.handshake import Failed, Handshake, HandshakeEvent, Peer, Ready, Transmit
from ccproxy.wire.zmtp.mechanism import Work

MAX_MESSAGE = 64 * 1024 * 1024
MAX_FRAMES = 10_000


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One whole message."""

    frames: list[bytes]


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command after the handshake; a PING follows the Transmit that holds its PONG."""

    command: Command


ConnectionEvent = HandshakeEvent | MessageReceived | CommandReceived


class WireConnection:
    """One side of a connection: the caller sends what Transmit, Failed and `send` give it."""

    def __init__(
        self, handshake: Handshake, max_message: int = MAX_MESSAGE, max_frames: int = MAX_FRAMES
    ) -> None:
        """The limits are those of Gather."""
        self._handshake = handshake
        self._gather = Gather(max_message, max_frames)
        self._take: Callable[[bytes], list[ConnectionEvent]] = self._open
        self._seal: Seal | None = None
        self.peer: Peer | None = None

    def start(self) -> bytes:
        """The bytes to send first."""
        return self._handshake.start()

    def send(self, frames: Sequence[bytes]) -> bytes:
        """The bytes of one message; RuntimeError before Ready."""
        if self.peer is None:
            raise RuntimeError("the handshake is not over")
        data = pack(frames)
        if self._seal is None:
            return data
        return b"".join(piece for piece, _ in self._seal.seal(data))

    def receive(self, data: bytes) -> list[ConnectionEvent]:
        """The events of these bytes, which may be cut anywhere; none after Failed."""
        return self._take(data)

    def _open(self, data: bytes) -> list[ConnectionEvent]:
        events: list[ConnectionEvent] = list(self._handshake.receive(data))
        while events and isinstance(work := events[-1], Work):
            events[-1:] = self._handshake.resume(work.run)
        if events and isinstance(events[-1], Ready):
            self.peer = events[-1].peer
            self._seal = self._handshake.seal
            self._take = self._traffic
            events += self._traffic(self._handshake.rest)
        return events

    def _traffic(self, data: bytes) -> list[ConnectionEvent]:
        events: list[ConnectionEvent] = []
        try:
            self._collect(data if self._seal is None else self._seal.open(data), events)
        except ValueError as problem:
            events.append(Failed(str(problem)))
            self._take = _ignore
        return events

    def _collect(self, data: bytes, events: list[ConnectionEvent]) -> None:
        at = 0
        while at < len(data):
            end = 0 if self._gather.size else self._gather.whole(data, at)
            if end:
                _add(data[at:end], events)
                at = end
                continue
            found = self._gather.feed(data[at:])
            for command in self._gather.take_commands():
                _add(command, events)
            if found is None:
                return
            _add(found[0], events)
            data, at = found[1], 0


def _add(unit: bytes, events: list[ConnectionEvent]) -> None:
    if not unit[0] & COMMAND:
        events.append(MessageReceived(unpack(unit)))
        return
    command = parse_frame(unit)
    if isinstance(command, Ping):
        events.append(Transmit(pong(command.context)))
    events.append(CommandReceived(command))


def _ignore(data: bytes) -> list[ConnectionEvent]:
    return []
