"""The question whether a server gives receipts at all, put by a connection of its own.

libzmq shows a program nothing of READY, and a server that is busy says `have` late. So the client
makes a second connection, whose READY it reads itself. This module must never wait: its owner polls
the socket and calls `step`.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import zmq

from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp import Failed, Handshake, Transmit, WireConnection
from ccproxy.wire.zmtp.mechanism import Mechanism

READ_SIZE = 65_536


class ReadyQuestion:
    """One question; `answer` is None until the server has said it, or if nothing answers."""

    def __init__(self, endpoint: str, mechanism: Mechanism | None = None) -> None:
        """Begin to connect; OSError if that cannot be, ValueError if only libzmq knows how."""
        family, address = _address(endpoint)
        self.answer: bool | None = None
        self._wire = WireConnection(Handshake(b"DEALER", mechanism=mechanism))
        self._unsent = self._wire.start()
        self.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with suppress(BlockingIOError):
                self.socket.connect(address)
        except OSError:
            self.close()
            raise

    @property
    def events(self) -> int:
        """What to poll for."""
        return int(zmq.POLLIN | (zmq.POLLOUT if self._unsent else 0))

    def step(self) -> bool:
        """Send and read what is possible; True if the question is over."""
        try:
            if self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            over = self._read(self.socket.recv(READ_SIZE))
            if over and self._unsent:
                self.socket.send(self._unsent)  # a handshake that is whole troubles no server
            return over
        except BlockingIOError:
            return self.answer is not None
        except OSError:
            return True

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def _read(self, data: bytes) -> bool:
        for event in self._wire.receive(data):
            if isinstance(event, Transmit):
                self._unsent += event.data
            elif isinstance(event, Failed):
                return True
        if self._wire.peer is not None:
            self.answer = wire.gives_receipts(self._wire.peer.properties.get(wire.PROPERTY, b""))
        return self.answer is not None or not data


def _address(endpoint: str) -> tuple[int, str | tuple[str, int]]:
    """The family and the address of an endpoint of libzmq."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        return socket.AF_UNIX, "\0" + rest[1:] if rest.startswith("@") else rest
    host, _, port = rest.rpartition(";")[2].rpartition(":")
    if scheme != "tcp" or not port.isdecimal():
        raise ValueError(f"{endpoint}: neither tcp nor ipc")
    # With brackets libzmq takes IPv6 addresses, without them it finds IPv4 addresses alone.
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return family, (host.strip("[]"), int(port))
