"""A handler's Context that only records: `explain` starts handlers on it to ask them.

Links are made but not connected, timers never fire, tasks never run. It must never open, send or
start anything; what a handler cannot do without raises, and becomes a part of the explanation.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccproxy.config.links import LinkOptions
from ccproxy.core.message import Actions, Message
from ccproxy.core.outbox import Outbox
from ccproxy.handler import Flushable, Handler, Wire, WireOwner

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class DryLink:
    """A link as it would be if the far side were there."""

    address: str
    outbox: Outbox
    state: str = "up"


class DryContext:
    """`ccproxy.handler.Context` without effects; `links` are those that were asked for."""

    def __init__(self, name: str, handlers: Mapping[str, Handler]) -> None:
        self.name = name
        self.links: list[DryLink] = []
        logger = logging.Logger(name)
        logger.addHandler(logging.NullHandler())
        self.log = logging.LoggerAdapter(logger, {})
        self._handlers = handlers

    def link(
        self,
        address: str,
        options: LinkOptions,
        on_message: Callable[[Message], None] | None = None,
    ) -> DryLink:
        """Recorded."""
        self.links.append(DryLink(address, Outbox(address, options.limits)))
        return self.links[-1]

    @property
    def routes(self) -> tuple[str, ...]:
        """None: the explanation says which routes lead here."""
        return ()

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> Wire:
        """Refused."""
        raise RuntimeError("explain connects to nobody")

    async def listen(self, address: str, factory: Callable[[], asyncio.BaseProtocol]) -> str:
        """Nobody listens."""
        return address

    def handler(self, section: str) -> Handler:
        """Another handler of the configuration."""
        return self._handlers[section]

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Never."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Never."""

    def flush_later(self, one: Flushable) -> None:
        """Never."""

    def now(self) -> float:
        """The clock stands still."""
        return 0.0

    def time(self) -> float:
        """The clock stands still."""
        return 0.0

    def on_departure(self, call: Callable[[bytes], None]) -> None:
        """Nobody comes, nobody goes."""

    def flows_changed(self) -> None:
        """Nothing is remembered that could be asked again."""

    def count(self, name: str, amount: int = 1) -> None:
        """Not counted."""

    def dispatch(self, handler: Handler, message: Message) -> str:
        """Not passed on."""
        return "consumed"

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """Not sent."""

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """Refused."""
        raise RuntimeError("explain runs nothing that may block")

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Refused."""
        raise RuntimeError("explain starts no processes")

    def task(self, work: Awaitable[None]) -> None:
        """Not run."""
        if isinstance(work, Coroutine):
            work.close()
