"""A byte stream over a non-blocking socket, accepted or dialled: for every protocol but ZMTP.

    open -> finishing: what waits is written -> parting: the other side is to close too -> closed

Who owns it takes the bytes that come and writes whole units. It must never know what a unit means.
"""

from __future__ import annotations

import asyncio
import socket
from socket import SHUT_WR
from typing import Protocol

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.flush import Turn
from ccproxy.net.sender import Sender
from ccproxy.net.sockets import THROWN, reason_of
from ccproxy.net.zmtp.connection import CLOSED, READ

PARTING = 2.0
"""Seconds the other side has to take what was written and to close. The kernel throws away what it
has not delivered if a socket is closed while bytes come that nobody reads."""


class StreamOwner(Protocol):
    """Who is told what happens with a stream."""

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes came; `b""` means that the other side will send no more."""

    def closed(self, stream: Stream, reason: str) -> None:
        """It is over: nothing is sent any more, and the socket is closed."""

    @property
    def lingers(self) -> bool:
        """True if the stream stays open for answers although the other side sends no more."""


class Stream:
    """One connection: bytes in, whole units out through a bounded outbox."""

    __slots__ = (
        "_due",
        "_ended",
        "_ending",
        "_loop",
        "_mute",
        "_over",
        "_owner",
        "_parting",
        "_patient",
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
        """True once nothing is sent or told any more."""
        self.box = Outbox(name, limits, whole=True)
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._sender = Sender(sock, turn, self.close, self._unwritable)
        self.send = self._sender.send
        """As `write`, at the end of a turn, for a unit in pieces: it is written now."""
        self._turn = turn
        self._due = False
        self._reading = False
        self._mute = self._ended = self._patient = self._over = False
        self._ending = ""
        self._parting: asyncio.TimerHandle | None = None

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
        """Read again, unless it is to be read no more."""
        if not self._reading and not self._mute and not self.closed:
            self._reading = True
            self._loop.add_reader(self.sock.fileno(), self._readable)

    def mute(self) -> None:
        """Read no more."""
        self.pause()
        self._mute = True

    def finish(self, reason: str) -> None:
        """Close when what waits is written; nothing is read any more."""
        if self._ending:
            return
        self.mute()
        self._ending = reason
        if self.box.waiting:
            self.box.wait(self._written)
        else:
            self._end()

    def part(self, reason: str) -> None:
        """The same, but what was written has a moment to arrive, whatever still comes."""
        self._patient = not self._ended
        self.finish(reason)

    def close(self, reason: str) -> None:
        """Close now; what waits is dropped."""
        if self._over:
            return
        self.mute()
        if self._parting is not None:
            self._parting.cancel()
            self._loop.remove_reader(self.sock.fileno())
        self._over = self.closed = True
        self._sender.detach()
        self.sock.close()
        self.box.clear("gone")
        self._owner.closed(self, reason)

    def _unwritable(self, reason: str) -> None:
        """Nobody says again that the other side is gone; what it sent before is read to the end."""
        if self._reading:
            self._loop.call_soon(self._readable)
        else:
            self.close(self._ending or reason)

    def _written(self) -> None:
        if self.box.waiting:
            self.box.wait(self._written)
        else:
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        """Everything is written: close, or say so and wait for the other side to close as well."""
        if self.closed:
            return
        if self._patient:
            self._part()
        else:
            self.close(self._ending)

    def _part(self) -> None:
        self.closed = True
        self._sender.detach()
        try:
            self.sock.shutdown(SHUT_WR)
        except OSError:
            self.close(self._ending)
            return
        self._loop.add_reader(self.sock.fileno(), self._throw_away)
        self._parting = self._loop.call_later(PARTING, self.close, self._ending)

    def _throw_away(self) -> None:
        """What comes while parting, to the end of it."""
        try:
            if self.sock.recv(THROWN):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass  # a reset is an end as well
        self.close(self._ending)

    def _readable(self) -> None:
        if self.closed:
            return
        try:
            data = self.sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            if self._sender.deaf:
                self.close(reason_of(self._sender.deaf))
            return
        except OSError as error:
            self.close(reason_of(error.errno or 0))
            return
        broken = self._sender.broken() if data else self._sender.deaf
        if not data:
            self._ended = True
            self.mute()
        self._owner.received(self, data)
        if self.closed:
            return
        if broken:
            if len(data) == READ and not self._ending:
                self._loop.call_soon(self._readable)
            else:
                self.close(reason_of(broken))
        elif not data and not self._ending and not self._owner.lingers:
            self.finish(CLOSED)
