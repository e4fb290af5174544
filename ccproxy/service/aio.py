"""The library for services on asyncio: plugs, sockets, the end.

    async with Service() as service:
        store = service.plug("store_client", "sql")
        await service.serve("orders_api", handle)
        await service.wait()

`handle(session)` serves one accepted session. The end of the block does what a graceful shutdown
asks for. Only a unit of work that is under way may delay the end of a session.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

from ccproxy.service.aio_plug import AsyncPlug
from ccproxy.service.aio_session import AsyncSession
from ccproxy.service.configuration import Configuration
from ccproxy.service.control import Control
from ccproxy.service.events import Settings
from ccproxy.service.sessions import BROKEN, OWN
from ccproxy.service.sockets import listen, peer_of

SHUTDOWN_TIMEOUT = 8.0
"""Seconds accepted sessions have to end at a shutdown."""
ACCEPT_TURNS = 5
"""Turns of the loop after which what asyncio has accepted is a session here; it takes three: the
task of the connection, its transport, the session's own task."""

AsyncSessionHandler = Callable[[AsyncSession], Awaitable[None]]


class AsyncService:
    """One instance; by default the one that the environment describes."""

    def __init__(
        self, configuration: Configuration | None = None, settings: Settings | None = None
    ) -> None:
        self.configuration = configuration or Configuration.from_environment(os.environ)
        self._settings = settings
        self._plugs: dict[str, AsyncPlug] = {}
        self._servers: list[asyncio.Server] = []
        self._sessions: set[AsyncSession] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._stop = asyncio.Event()

    async def __aenter__(self) -> AsyncService:
        self._loop = asyncio.get_running_loop()
        self.control = Control(self.configuration, self._stopped, self._settings)
        self.control.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()

    @property
    def stopping(self) -> bool:
        """True once this instance is to end."""
        return self._stop.is_set()

    @property
    def health(self) -> int:
        """The status that health controls are answered with; 200 = healthy."""
        return self.control.core.health

    @health.setter
    def health(self, status: int) -> None:
        self.control.core.health = status

    def plug(self, name: str, socket: str = "", most: int = 64) -> AsyncPlug:
        """The plug of this name, with at most so many sessions; ValueError if there is none."""
        if name not in self._plugs:
            edge = self.configuration.plug(name, socket)
            self._plugs[name] = AsyncPlug(self.control, edge.name, edge.socket, most)
        return self._plugs[name]

    async def serve(self, socket: str, handle: AsyncSessionHandler) -> None:
        """Accept sessions at a socket, until the end; OSError if its port is taken."""
        sock = listen(self.configuration.address, self.configuration.port(socket))

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._serve(socket, handle, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._servers.append(await asyncio.start_server(accept, sock=sock))

    async def wait(self) -> None:
        """Until this instance is to end."""
        await self._stop.wait()

    async def close(self) -> None:
        """Accept no more, let what is under way come to its end, and tell the agent."""
        self._closing = True
        await self._accept_no_more()
        for session in list(self._sessions):
            session.closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_TIMEOUT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for plug in self._plugs.values():
            await plug.close()
        if self._stop.is_set():
            self.control.stopped()
        else:
            self.control.leave()
        await asyncio.to_thread(self.control.close)

    async def _accept_no_more(self) -> None:
        # asyncio loses a connection that is accepted and has no transport yet when its server
        # closes. uvloop has no reader here, and no such fault.
        for server in self._servers:
            for sock in server.sockets:
                self._loop.remove_reader(sock.fileno())
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()

    async def _serve(
        self, socket: str, handle: AsyncSessionHandler, reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        session = AsyncSession(reader, writer)
        peer = peer_of(writer.get_extra_info("peername"))
        session.key = self.control.accepted(socket, peer, session.deliver)
        if self._stop.is_set() or self._closing:
            session.closing.set()
        self._sessions.add(session)
        status = OWN
        try:
            await handle(session)
        except (OSError, EOFError):
            status = BROKEN
        finally:
            self._sessions.discard(session)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.control.closed(session.key, status)

    def _stopped(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: this instance ends already
            self._loop.call_soon_threadsafe(self._stop.set)


Service = AsyncService
"""The name by which programs import it: `from ccproxy.service.aio import Service`."""

__all__ = ["AsyncPlug", "AsyncService", "AsyncSession", "Service"]
