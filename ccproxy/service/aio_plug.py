"""A plug of an asyncio service: sessions that are opened when needed and closed when asked.

    async with plug.unit() as session:
        session.writer.write(question)
        answer = await session.reader.readline()

A session is closed between two units of work, never within one. A plug must never repeat a unit:
only the caller knows whether that is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ccproxy.service.aio_session import AsyncSession
from ccproxy.service.control import Control
from ccproxy.service.errors import SessionRefused
from ccproxy.service.events import News, SessionDenied, SessionGranted
from ccproxy.service.sessions import BROKEN, OWN
from ccproxy.service.sockets import CONNECT_TIMEOUT, status_of

SESSION_TIMEOUT = 60.0
"""Seconds to wait for a session: its service may have to be started, or moved, before."""


class _EndWatcher(asyncio.StreamReaderProtocol):
    """Tells at once when the far side closes, also while the service does not read."""

    ended: asyncio.Event

    def eof_received(self) -> bool | None:
        self.ended.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        super().connection_lost(exc)


class AsyncPlug:
    """At most `most` sessions at a time; each serves one unit of work at a time."""

    def __init__(self, control: Control, name: str, socket: str, most: int) -> None:
        self.name = name
        self.socket = socket
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._idle: list[AsyncSession] = []
        self._busy: set[AsyncSession] = set()
        self._ends: dict[AsyncSession, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(most)
        self._closing = False

    @asynccontextmanager
    async def unit(self, wait: float = SESSION_TIMEOUT) -> AsyncIterator[AsyncSession]:
        """A session for one unit of work; SessionRefused or TimeoutError if there is none to be
        had. After an exception in the block it is closed: an answer may still be under way."""
        async with self._room:
            session = await self._take(wait)
            self._busy.add(session)
            whole = False
            try:
                yield session
                whole = True
            finally:
                self._busy.discard(session)
                if whole and not session.closing.is_set() and not self._closing:
                    self._idle.append(session)
                else:
                    self._drop(session, OWN if whole else BROKEN)

    async def close(self) -> None:
        """Close what is idle now, and what is busy after its unit."""
        self._closing = True
        for session in list(self._idle):
            self._drop(session, OWN)
        await asyncio.gather(*self._ends.values(), return_exceptions=True)

    async def _take(self, wait: float) -> AsyncSession:
        while self._idle:
            session = self._idle.pop()
            if not (session.closing.is_set() or session.reader.at_eof()):
                return session
            self._drop(session, OWN)
        return await self._open(wait)

    async def _open(self, wait: float) -> AsyncSession:
        news: asyncio.Queue[News] = asyncio.Queue()

        def deliver(one: News) -> None:
            with suppress(RuntimeError):  # the loop is closed, and the unit with it
                self._loop.call_soon_threadsafe(news.put_nowait, one)

        key = self._control.ask(self.name, self.socket, deliver)
        session: AsyncSession | None = None
        try:
            async with asyncio.timeout(wait):
                while session is None:
                    session = await self._granted(key, await news.get())
        finally:
            if session is None:
                self._control.closed(key, OWN)
        return session

    async def _granted(self, key: int, one: News) -> AsyncSession | None:
        if isinstance(one, SessionDenied):
            raise SessionRefused(self.name, one.status)
        if not isinstance(one, SessionGranted):
            return None
        try:
            session = await asyncio.wait_for(self._connect(one), CONNECT_TIMEOUT)
        except (OSError, TimeoutError) as error:
            self._control.failed(key, status_of(error))
            return None
        session.key = key
        session.on_close = lambda: self._wanted(session)
        port = session.writer.get_extra_info("sockname")[1]
        self._control.connected(key, port, session.deliver)
        return session

    async def _connect(self, to: SessionGranted) -> AsyncSession:
        reader = asyncio.StreamReader(limit=1 << 20)
        ends = _EndWatcher(reader)
        ends.ended = asyncio.Event()
        own = (self._control.configuration.address, 0)
        try:
            transport, _ = await self._loop.create_connection(
                lambda: ends, to.address, to.port, local_addr=own
            )
        except OSError as error:
            if "assign" not in str(error):
                raise
            # Our own address is not on this machine, as behind address translation.
            transport, _ = await self._loop.create_connection(lambda: ends, to.address, to.port)
        session = AsyncSession(reader, asyncio.StreamWriter(transport, ends, reader, self._loop))
        self._ends[session] = self._loop.create_task(self._watch(session, ends.ended))
        return session

    async def _watch(self, session: AsyncSession, ended: asyncio.Event) -> None:
        """Report an idle session at once when its far side is gone."""
        await ended.wait()
        if session in self._idle:
            self._drop(session, OWN)
        session.closing.set()

    def _wanted(self, session: AsyncSession) -> None:
        if session in self._idle:
            self._drop(session, OWN)

    def _drop(self, session: AsyncSession, status: int) -> None:
        with suppress(ValueError):
            self._idle.remove(session)
        session.writer.close()
        if task := self._ends.pop(session, None):
            task.cancel()
        self._control.closed(session.key, status)
