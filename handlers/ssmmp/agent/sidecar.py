"""A stand-in for the library inside a program that has none: it speaks to the agent in its place.

It opens a session for each connection the program makes to one of its local ports, reports how it
ends, and closes it abruptly when it is asked to. It must never judge a session: the core does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ccproxy import Context
from ccproxy.service.configuration import Configuration
from ccproxy.service.core import Core
from ccproxy.service.events import Action, Attach, CloseWanted, Detach, Granted, Refused, Stop
from ccproxy.service.events import Transmit as Said
from ccproxy.service.sessions import BROKEN, OWN, TOO_LATE, UNREACHABLE

from .forward import End, Port, Ports, connect

PATIENCE = 5.0
"""Seconds to connect a granted session."""


@dataclass(frozen=True, slots=True)
class Ears:
    """What the agent does for a stand-in: reads its bytes, and ends its program."""

    said: Callable[[str, bytes], None]
    stop: Callable[[int], None]


@dataclass(slots=True)
class Pair:
    """A forwarded session: the program's end, and the far one when it is there."""

    near: End
    far: End | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Stand:
    """The stand-in for one instance; `name` is that of its control connection."""

    def __init__(self, ctx: Context, configuration: Configuration, ears: Ears) -> None:
        self.name = f"stand-in {configuration.instance}"
        self.ports: dict[str, Port] = {}
        self._ctx = ctx
        self._configuration = configuration
        self._core = Core(configuration)
        self._ears = ears
        self._pairs: dict[int, Pair] = {}
        self._over = False

    async def open(self, ports: Ports, numbers: dict[str, int]) -> None:
        """Take a local port for each plug; OSError if one cannot be had."""
        for plug in self._configuration.plugs:
            self.ports[plug] = await ports.take(self, plug, numbers.get(plug, 0))

    def attach(self) -> None:
        """The program runs: say so to the agent."""
        self._do(self._core.start(self._ctx.now()))

    def heard(self, data: bytes) -> None:
        """The agent says something."""
        self._do(self._core.received(self._ctx.now(), data))

    def tick(self) -> None:
        """Time passes."""
        if self._core.next_deadline() <= self._ctx.now():
            self._do(self._core.tick(self._ctx.now()))

    def close(self, ports: Ports) -> None:
        """The program has ended."""
        self._over = True
        for port in self.ports.values():
            ports.give_back(port)
        for pair in list(self._pairs.values()):
            _abort(pair)
        self._pairs.clear()

    def connected(self, plug: str, near: End) -> None:
        """The program has connected to the port of a plug."""
        key, actions = self._core.ask(self._ctx.now(), plug)
        self._pairs[key] = Pair(near)
        near.ended = lambda end, error: self._ended(key, error)
        self._do(actions)

    def _do(self, actions: list[Action]) -> None:
        for one in actions:
            if isinstance(one, Said):
                self._later(0.0, partial(self._ears.said, self.name, one.data))
            elif isinstance(one, Attach):
                self._later(one.delay, lambda: self._do(self._core.linked(self._ctx.now())))
            elif isinstance(one, Detach):
                self._later(0.0, lambda: self._do(self._core.unlinked(self._ctx.now())))
            elif isinstance(one, Stop):
                self._ears.stop(self._configuration.instance)
                self._do(self._core.stopped(self._ctx.now()))
            else:
                self._session(one)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._ctx.call_later(seconds, lambda: None if self._over else call())

    def _session(self, news: Granted | Refused | CloseWanted) -> None:
        pair = self._pairs.get(news.key)
        if pair is None:
            return
        if isinstance(news, Granted):
            self._ctx.task(self._connect(news, pair))
            return
        del self._pairs[news.key]
        pair.near.ended = None
        _abort(pair)
        if isinstance(news, CloseWanted):
            self._do(self._core.closed(self._ctx.now(), news.key))

    async def _connect(self, to: Granted, pair: Pair) -> None:
        far = End()
        try:
            async with asyncio.timeout(PATIENCE):
                await connect((to.address, to.port), self._configuration.address, far)
        except (OSError, TimeoutError) as error:
            status = TOO_LATE if isinstance(error, TimeoutError) else UNREACHABLE
            self._do(self._core.failed(self._ctx.now(), to.key, status))
            return
        if self._over or to.key not in self._pairs:
            far.transport.abort()
            return
        pair.far = far
        port = far.transport.get_extra_info("sockname")[1]
        self._do(self._core.connected(self._ctx.now(), to.key, port))
        pair.near.join(far)

    def _ended(self, key: int, error: Exception | None) -> None:
        pair = self._pairs.pop(key, None)
        if pair is None or self._over:
            return
        if pair.far is None:
            _abort(pair)
        self._do(self._core.closed(self._ctx.now(), key, BROKEN if error else OWN))


def _abort(pair: Pair) -> None:
    for end in (pair.near, pair.far):
        if end is not None:
            end.transport.abort()
