"""A byte stream over a non-blocking socket, accepted or dialled: for every protocol but ZMTP.

Who owns it takes the bytes that come and writes whole units. It must never know what a unit means.
"""

from __future__ import annotations

import asyncio
import socket
from socket import SO_ERROR, SOL_SOCKET
from typing import Protocol

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.connection import CLOSED, READ
from ccproxy.net.sender import Sender
from ccproxy.net.sockets import reason_of
from ccproxy.net.turn import Turn


class StreamOwner(Protocol):
    """Who is told what happens with a stream."""

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes came; `b""` means that the other side will send no more."""

    def closed(self, stream: Stream, reason: str) -> None:
        """It is over."""

    @property
    def lingers(self) -> bool:
        """True if the stream stays open for answers although the other side sends no more."""


class Stream:
    """One connection: bytes in, whole units out through a bounded outbox."""

    __slots__ = (
        "_due",
        "_ending",
        "_loop",
        "_owner",
        "_reading",
        "_sender",
        "_turn",
        "box",
        "closed",
        "name",
        "send",
        "sock",
    )

    def __init__(
        self, sock: socket.socket, name: str, owner: StreamOwner, turn: Turn, limits: Limits
    ) -> None:
        self.sock = sock
        self.name = name
        self.closed = False
        self.box = Outbox(name, limits, whole=True)
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._sender = Sender(sock, turn, self.close, self._unwritable)
        self.send = self._sender.send
        """As `write`, at the end of a turn, for a unit in pieces: it is written now."""
        self._turn = turn
        self._due = False
        self._reading = False
        self._ending = ""

    def open(self) -> None:
        """Begin to read and write."""
        self._sender.attach(self.box)
        # Units are flushed here: once a turn, or at once for who writes at its end already.
        self.box.wake = None
        self.resume()

    def write(self, unit: bytes) -> bool:
        """Queue one whole unit; False if there is no room for it, and it is dropped."""
        if self.closed or not self.box.offer(unit, 1):
            return False
        if not self._due:
            self._due = True
            self._turn.flush_later(self)
        return True

    def flush(self) -> None:
        """Write what was queued in this turn."""
        self._due = False
        self._sender.flush()

    def pause(self) -> None:
        """Read no more for now."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.sock.fileno())

    def resume(self) -> None:
        """Read again."""
        if not self._reading and not self.closed:
            self._reading = True
            self._loop.add_reader(self.sock.fileno(), self._readable)

    def finish(self, reason: str) -> None:
        """Close when what waits is written; nothing is read any more."""
        self.pause()
        self._ending = reason
        if not self.box.waiting:
            self.close(reason)
        else:
            self.box.wait(self._written)

    def close(self, reason: str) -> None:
        """Close now; what waits is dropped."""
        if self.closed:
            return
        self.pause()
        self.closed = True
        self._sender.detach()
        self.sock.close()
        self.box.clear("gone")
        self._owner.closed(self, reason)

    def _unwritable(self, reason: str) -> None:
        """Who is read shows its end there; nobody else would ever be closed."""
        if not self._reading:
            self.close(self._ending or reason)

    def _written(self) -> None:
        if self.box.waiting:
            self.box.wait(self._written)
        else:
            self._loop.call_soon(self.close, self._ending)

    def _readable(self) -> None:
        if self.closed:
            return
        try:
            data = self.sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(f"read failed: {error.strerror or error}")
            return
        # libuv says once that a connection is reset, and if bytes came with it, says no more.
        broken = data and self.sock.getsockopt(SOL_SOCKET, SO_ERROR)
        if not data:
            self.pause()
        self._owner.received(self, data)
        if (data and not broken) or self.closed or self._ending:
            return
        if len(data) == READ:
            self._loop.call_soon(self._readable)
        elif broken:
            self.close(reason_of(broken))
        elif not self._owner.lingers:
            self.finish(CLOSED)
