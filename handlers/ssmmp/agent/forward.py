"""Local ports for programs that know nothing of SSMMP: what connects there is joined to a session.

One listener is one port for one plug of one instance at a time. A listener cannot be closed before
the handler stops, so that the port of an instance that has ended serves a later one. It must never
read what it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from ccproxy import Context


class Taker(Protocol):
    """Who gets the local connections of a port."""

    def connected(self, plug: str, near: End) -> None:
        """The program has connected; nothing is read from it yet."""


class End(asyncio.Protocol):
    """One end of a forwarded connection; `far` is the other one, once there is one."""

    def __init__(self, ended: Callable[[End, Exception | None], None] | None = None) -> None:
        self.transport: asyncio.Transport
        self.far: End | None = None
        self.ended = ended
        self._early: list[bytes] = []
        self.whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read before both ends are there."""
        # Those of uvloop are transports by their methods only.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()

    def join(self, far: End) -> None:
        """Both ends are there."""
        self.far, far.far = far, self
        for one in (self, far):
            one.begin()

    def begin(self) -> None:
        """Pass on what came before the other end was there, and all that follows."""
        for data in self._early:
            self.data_received(data)
        self._early.clear()
        if self.whole:
            self.eof_received()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.far is not None:
            self.far.transport.write(data)
            return
        # uvloop begins to read behind `connection_made`, paused there or not.
        self._early.append(data)
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        """One direction has ended; with the other one all is over."""
        self.whole = True
        if self.far is None:
            return True
        if self.far.whole:
            self.far.transport.close()
            return False
        if self.far.transport.can_write_eof():
            self.far.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """This end takes no more for now."""
        if self.far is not None:
            self.far.transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes more again."""
        if self.far is not None and not self.far.transport.is_closing():
            self.far.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over, and so is the other end."""
        if self.far is not None:
            self.far.transport.close()
        if self.ended is not None:
            self.ended(self, error)


class Port:
    """A listener on the loopback address, lent to one taker at a time."""

    def __init__(self) -> None:
        self.number = 0
        self._taker: Taker | None = None
        self._plug = ""

    def lend(self, taker: Taker | None, plug: str = "") -> None:
        """Who gets its connections from now on; None: they are closed at once."""
        self._taker, self._plug = taker, plug

    def made(self) -> asyncio.Protocol:
        """The protocol of a connection."""
        return _Door(self)

    def enter(self, near: End) -> None:
        """A program has connected."""
        if self._taker is None:
            near.transport.close()
            return
        self._taker.connected(self._plug, near)


class _Door(End):
    """A connection of a program, on its way to who takes it."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show it in."""
        super().connection_made(transport)
        self._port.enter(self)


class Ports:
    """All listeners of this agent; those that nobody has any more are lent again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._free: list[Port] = []

    async def take(self, taker: Taker, plug: str, number: int = 0) -> Port:
        """A port for a plug, a certain one after a restart; OSError if that cannot be had."""
        if self._free and not number:
            port = self._free.pop()
        else:
            port = Port()
            bound = await self._ctx.listen(f"tcp://127.0.0.1:{number}", port.made)
            port.number = int(bound.rpartition(":")[2])
        port.lend(taker, plug)
        return port

    def give_back(self, port: Port) -> None:
        """Nobody needs it any more."""
        port.lend(None)
        self._free.append(port)


async def connect(to: tuple[str, int], own: str, far: End) -> None:
    """Connect the far end of a session, from the node's own address; OSError if it fails."""
    loop = asyncio.get_running_loop()
    where: dict[str, Any] = {"local_addr": (own, 0)}
    await loop.create_connection(lambda: far, *to, **where)
