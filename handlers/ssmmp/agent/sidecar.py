"""The sidecar of a program without an SSMMP library: it speaks to the agent in its place.

It opens a session for each connection that the program makes to one of its local ports, reports how
the connection ends, and closes it abruptly when it is asked to. It must never judge a session: the
core of the library does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ccproxy import Context
from ccproxy.service.configuration import Configuration
from ccproxy.service.core import Core
from ccproxy.service.events import (
    Attach,
    CloseWanted,
    Detach,
    News,
    SendBytes,
    ServiceAction,
    SessionGranted,
    StopWanted,
)
from ccproxy.service.sessions import BROKEN, OWN, TOO_LATE, UNREACHABLE

from .forward import ForwardedEnd, LocalPort, LocalPorts, connect

CONNECT_TIMEOUT = 5.0
"""Seconds to connect a granted session."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the agent does for a sidecar: it takes the bytes that the sidecar sends on the control
    connection of a name, and ends the program of an instance."""

    send: Callable[[str, bytes], None]
    stop: Callable[[int], None]


@dataclass(slots=True)
class ForwardedSession:
    """A forwarded session: the program's end, and the far one when it is there."""

    near: ForwardedEnd
    far: ForwardedEnd | None = None


class Sidecar:
    """The sidecar of one instance; `name` is that of its control connection."""

    def __init__(self, ctx: Context, configuration: Configuration, callbacks: Callbacks) -> None:
        self.name = f"sidecar {configuration.instance}"
        self.ports: dict[str, LocalPort] = {}
        self._ctx = ctx
        self._configuration = configuration
        self._core = Core(configuration)
        self._callbacks = callbacks
        self._sessions: dict[int, ForwardedSession] = {}
        self._closed = False

    async def open(self, ports: LocalPorts, numbers: dict[str, int]) -> None:
        """Take a local port for each plug; OSError if one cannot be had."""
        for plug in self._configuration.plugs:
            self.ports[plug] = await ports.take(self, plug, numbers.get(plug, 0))

    def attach(self) -> None:
        """The program runs: say so to the agent."""
        self._do(self._core.start(self._ctx.now()))

    def received(self, data: bytes) -> None:
        """Bytes from the agent."""
        self._do(self._core.received(self._ctx.now(), data))

    def tick(self) -> None:
        """The time may have come for what waits for it."""
        if self._core.next_deadline() <= self._ctx.now():
            self._do(self._core.tick(self._ctx.now()))

    def close(self, ports: LocalPorts) -> None:
        """The program has ended: give its ports back and abort what is connected."""
        self._closed = True
        for port in self.ports.values():
            ports.give_back(port)
        for session in list(self._sessions.values()):
            _abort(session)
        self._sessions.clear()

    def connected(self, plug: str, near: ForwardedEnd) -> None:
        """The program has connected to the port of a plug."""
        key, actions = self._core.ask(self._ctx.now(), plug)
        self._sessions[key] = ForwardedSession(near)
        near.ended = lambda end, error: self._ended(key, error)
        self._do(actions)

    def _do(self, actions: list[ServiceAction]) -> None:
        for one in actions:
            if isinstance(one, SendBytes):
                self._later(0.0, partial(self._callbacks.send, self.name, one.data))
            elif isinstance(one, Attach):
                self._later(one.delay, lambda: self._do(self._core.linked(self._ctx.now())))
            elif isinstance(one, Detach):
                self._later(0.0, lambda: self._do(self._core.unlinked(self._ctx.now())))
            elif isinstance(one, StopWanted):
                self._callbacks.stop(self._configuration.instance)
                self._do(self._core.stopped(self._ctx.now()))
            else:
                self._session(one)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._ctx.call_later(seconds, lambda: None if self._closed else call())

    def _session(self, news: News) -> None:
        session = self._sessions.get(news.key)
        if session is None:
            return
        if isinstance(news, SessionGranted):
            self._ctx.task(self._connect(news, session))
            return
        del self._sessions[news.key]
        session.near.ended = None
        _abort(session)
        if isinstance(news, CloseWanted):
            self._do(self._core.closed(self._ctx.now(), news.key))

    async def _connect(self, to: SessionGranted, session: ForwardedSession) -> None:
        far = ForwardedEnd()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connect((to.address, to.port), self._configuration.address, far)
        except (OSError, TimeoutError) as error:
            status = TOO_LATE if isinstance(error, TimeoutError) else UNREACHABLE
            self._do(self._core.failed(self._ctx.now(), to.key, status))
            return
        if self._closed or to.key not in self._sessions:
            far.transport.abort()
            return
        session.far = far
        port = far.transport.get_extra_info("sockname")[1]
        self._do(self._core.connected(self._ctx.now(), to.key, port))
        session.near.join(far)

    def _ended(self, key: int, error: Exception | None) -> None:
        session = self._sessions.pop(key, None)
        if session is None or self._closed:
            return
        if session.far is None:
            _abort(session)
        self._do(self._core.closed(self._ctx.now(), key, BROKEN if error else OWN))


def _abort(session: ForwardedSession) -> None:
    for end in (session.near, session.far):
        if end is not None:
            end.transport.abort()
