"""Local ports for programs that know nothing of SSMMP: what connects there is joined to a session.

At any time a listener is the port of one plug of one instance. A listener cannot be closed before
the handler stops, so the port of an instance that has ended is used again for a later one. This
module must never look at the bytes that it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from ccproxy import Context


class PortUser(Protocol):
    """It gets the connections to a local port."""

    def connected(self, plug: str, near: ForwardedEnd) -> None:
        """The program has connected; nothing is read from it yet."""


class ForwardedEnd(asyncio.Protocol):
    """One end of a forwarded connection; `far` is the other one, once there is one."""

    def __init__(
        self, ended: Callable[[ForwardedEnd, Exception | None], None] | None = None
    ) -> None:
        self.transport: asyncio.Transport
        self.far: ForwardedEnd | None = None
        self.ended = ended
        self._early: list[bytes] = []
        self.ended_reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing before both ends are there."""
        # uvloop's transports do not inherit from asyncio.Transport.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()

    def join(self, far: ForwardedEnd) -> None:
        """Both ends are there."""
        self.far, far.far = far, self
        for one in (self, far):
            one.begin()

    def begin(self) -> None:
        """Pass on what was read before the other end was there, and all that follows."""
        for data in self._early:
            self.data_received(data)
        self._early.clear()
        if self.ended_reading:
            self.eof_received()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.far is not None:
            self.far.transport.write(data)
            return
        # uvloop begins to read after `connection_made`, even if reading was paused there.
        self._early.append(data)
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        """This direction has ended; once the other one has ended too, the connection is closed."""
        self.ended_reading = True
        if self.far is None:
            return True
        if self.far.ended_reading:
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
        """This end takes more again."""
        if self.far is not None and not self.far.transport.is_closing():
            self.far.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection of this end is gone: close the other end."""
        if self.far is not None:
            self.far.transport.close()
        if self.ended is not None:
            self.ended(self, error)


class LocalPort:
    """A listener on the loopback address, which one user has at a time."""

    def __init__(self) -> None:
        self.number = 0
        self._user: PortUser | None = None
        self._plug = ""

    def assign(self, user: PortUser | None, plug: str = "") -> None:
        """From now on `user` gets its connections; without a user they are closed at once."""
        self._user, self._plug = user, plug

    def made(self) -> asyncio.Protocol:
        """The protocol of a connection."""
        return _AcceptedEnd(self)

    def accepted(self, near: ForwardedEnd) -> None:
        """A program has connected."""
        if self._user is None:
            near.transport.close()
            return
        self._user.connected(self._plug, near)


class _AcceptedEnd(ForwardedEnd):
    """The end of a connection that a program has made to a local port."""

    def __init__(self, port: LocalPort) -> None:
        super().__init__()
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it to the user of the port."""
        super().connection_made(transport)
        self._port.accepted(self)


class LocalPorts:
    """All listeners of this agent; one that has no user any more is used again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._free: list[LocalPort] = []

    async def take(self, user: PortUser, plug: str, number: int = 0) -> LocalPort:
        """A port for a plug, a certain one after a restart; OSError if that cannot be had."""
        if self._free and not number:
            port = self._free.pop()
        else:
            port = LocalPort()
            bound = await self._ctx.listen(f"tcp://127.0.0.1:{number}", port.made)
            port.number = int(bound.rpartition(":")[2])
        port.assign(user, plug)
        return port

    def give_back(self, port: LocalPort) -> None:
        """Its user needs the port no more."""
        port.assign(None)
        self._free.append(port)


async def connect(to: tuple[str, int], own: str, far: ForwardedEnd) -> None:
    """Connect the far end of a session, from the node's own address; OSError if it fails."""
    loop = asyncio.get_running_loop()
    where: dict[str, Any] = {"local_addr": (own, 0)}
    await loop.create_connection(lambda: far, *to, **where)
