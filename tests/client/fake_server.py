"""A server for the tests of clients: it does what the test says, right or wrong, on a bare socket.

Every call waits for what it needs from the client, for `TIMEOUT` at most.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress

from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp import Handshake, MessageReceived, Transmit, WireConnection
from ccproxy.wire.zmtp.delivery import Nack

TIMEOUT = 60.0
"""Seconds after which a test gives up; nothing takes that long."""
SERVER = b"S" * 16


class FakePeer:
    """One connection of a client, whose handshake is done."""

    def __init__(self, connection: socket.socket, number: int, said: bytes = b"") -> None:
        connection.settimeout(TIMEOUT)
        self._socket = connection
        properties = {wire.PROPERTY: said} if said else {}
        self._wire = WireConnection(Handshake(b"ROUTER", properties=properties))
        self._messages: deque[list[bytes]] = deque()
        self.token = number.to_bytes(8, "big")
        self._socket.sendall(self._wire.start())
        while self._wire.peer is None:
            self._receive()
        value = self._wire.peer.properties.get(wire.PROPERTY, b"")
        self.producer = wire.producer_of(value)

    def _receive(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise EOFError
        for event in self._wire.receive(data):
            if isinstance(event, Transmit):
                self._socket.sendall(event.data)
            elif isinstance(event, MessageReceived):
                self._messages.append(event.frames)

    def read(self) -> list[bytes]:
        """The next message of the client; EOFError if it has ended the connection."""
        while not self._messages:
            self._receive()
        return self._messages.popleft()

    def read_word(self):
        """The next message, which is a word."""
        frames = self.read()
        assert frames[0] == wire.WORD, frames
        return wire.decode(frames)

    def read_numbers(self, count: int) -> list[int]:
        """The numbers of the next messages."""
        numbers = [wire.number_of(self.read()[0]) for _ in range(count)]
        assert None not in numbers
        return numbers

    def send(self, frames: list[bytes]) -> None:
        """Send any message."""
        self._socket.sendall(self._wire.send(frames))

    def greet(self, places: dict[int, int] | None = None) -> None:
        """Say what is here of the client."""
        self.send(wire.encode(wire.Greeting(SERVER, places or {}, self.token)))

    def acknowledge(self, number: int, kind: str = wire.SAFE, epoch: int | None = None) -> None:
        """Take the responsibility for everything up to a number, of its present epoch."""
        epoch = self.producer.opening if epoch is None else epoch
        self.send(wire.encode(wire.Acknowledgement(epoch, number, kind)))

    def refuse(self, first: int, count: int, reason: str) -> None:
        """Say that messages were not taken."""
        self.send(wire.encode(Nack(self.producer.opening, first, count, reason)))

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


class FakeServer:
    """Listens; a context manager, which ends all connections."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(TIMEOUT)
        self.address = f"tcp://127.0.0.1:{self._socket.getsockname()[1]}"
        self._peers: list[FakePeer] = []

    def accept(self, said: bytes = b"") -> FakePeer:
        """The next connection; READY has `said` of receipts, and there are no words yet."""
        connection, _ = self._socket.accept()
        peer = FakePeer(connection, len(self._peers) + 1, said)
        self._peers.append(peer)
        return peer

    def probed(self) -> None:
        """The next connection, which only tests whether anything listens here."""
        self._socket.accept()[0].close()

    def answered_with(self, mechanism: bytes) -> None:
        """The next connection, which is told another mechanism than its own, and ended."""
        greeting = b"\xff" + bytes(8) + b"\x7f\3\1" + mechanism.ljust(20, b"\0") + bytes(32)
        connection, _ = self._socket.accept()
        connection.settimeout(TIMEOUT)
        with connection, suppress(ConnectionResetError):
            connection.sendall(greeting)
            while connection.recv(4096):
                pass

    def greeted(self, places: dict[int, int] | None = None) -> FakePeer:
        """The next connection, which has heard what is here of its client."""
        peer = self.accept()
        peer.greet(places)
        return peer

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *error: object) -> None:
        for peer in self._peers:
            peer.close()
        self._socket.close()
