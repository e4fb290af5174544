"""An address of `Context.listen`: connections of a protocol that the handler itself speaks.

It must never look at a connection, and it never closes one: those are the handler's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from socket import socket

from ccproxy.config.address import Address
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import KEEPS_FILE, bound, listening_on

BACKLOG = 1024


class HandlerListener:
    """One address of a section, which can be closed and opened again."""

    def __init__(
        self, owner: str, address: Address, factory: Callable[[], asyncio.BaseProtocol], kit: Kit
    ) -> None:
        self.bound = str(address)
        """The address as it was bound, a port chosen by the system filled in."""
        self._owner = owner
        self._address = address
        self._factory = factory
        self._sockets = kit.listening
        self._open: tuple[asyncio.Server, socket] | None = None

    @property
    def listening(self) -> bool:
        """False before `open` and after `close`."""
        return self._open is not None

    async def open(self) -> None:
        """Bind and accept; the same port as before if the system chose it. OSError says why not."""
        loop = asyncio.get_running_loop()
        port = Address.parse(self.bound).port
        with listening_on(self.bound):
            sock = self._sockets.open(self._owner, self._address, BACKLOG, port=port)
        self.bound = bound(sock, self._address)
        try:
            if self._address.scheme == "ipc":
                server = await loop.create_unix_server(self._factory, sock=sock, **KEEPS_FILE)
            else:
                server = await loop.create_server(self._factory, sock=sock)
        except BaseException:
            self._sockets.close(sock)
            raise
        self._open = server, sock

    def close(self) -> None:
        """Accept no more; accepted connections stay open."""
        if self._open is None:
            return
        server, sock = self._open
        self._open = None
        self._sockets.forget(sock)
        server.close()
