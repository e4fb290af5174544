"""A handler's Context without effects: `explain` starts handlers on it in order to ask them.

Links are made but not connected, timers never fire, tasks never run. It must never open, send or
start anything. A call whose result a handler cannot do without raises an exception, which becomes a
part of the explanation.
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
    """A link that looks as if it were connected."""

    address: str
    outbox: Outbox
    state: str = "up"


class DryContext:
    """A `ccproxy.handler.Context` without effects; `links` are those that the handler opened."""

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
        """Record the link."""
        self.links.append(DryLink(address, Outbox(address, options.limits)))
        return self.links[-1]

    @property
    def routes(self) -> tuple[str, ...]:
        """No routes: the explanation itself names the routes of the handler."""
        return ()

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> Wire:
        """Refuse."""
        raise RuntimeError("explain opens no connections")

    async def listen(self, address: str, factory: Callable[[], asyncio.BaseProtocol]) -> str:
        """Open no socket."""
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
        """Always the same time."""
        return 0.0

    def time(self) -> float:
        """Always the same time."""
        return 0.0

    def on_departure(self, call: Callable[[bytes], None]) -> None:
        """Never call: there are no peers."""

    def flows_changed(self) -> None:
        """Do nothing: there is no flow table."""

    def count(self, name: str, amount: int = 1) -> None:
        """Count nothing."""

    def dispatch(self, handler: Handler, message: Message) -> str:
        """Pass nothing on."""
        return "consumed"

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """Send nothing."""

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """Refuse."""
        raise RuntimeError("explain runs nothing that may block")

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Refuse."""
        raise RuntimeError("explain starts no processes")

    def task(self, work: Awaitable[None]) -> None:
        """Do not run it."""
        if isinstance(work, Coroutine):
            work.close()
