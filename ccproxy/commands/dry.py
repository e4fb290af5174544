"""A handler's Context without effects: `explain` starts handlers on it in order to ask them.

Links are made but not connected, timers never fire, tasks never run. It must never open, send or
start anything. A call whose result a handler cannot do without raises an exception, which becomes a
part of the explanation.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.message import Message
from ccproxy.core.outbox import Outbox
from ccproxy.core.sinks import MovedRun
from ccproxy.handler import Context, Handler
from ccproxy.net.zmtp.role import LinkRole, ListenerRole


@dataclass(frozen=True, slots=True)
class DryLink:
    """A link that looks as if it were connected."""

    address: str
    outbox: Outbox
    state: str = "up"
    reason: str = ""

    @property
    def sink(self) -> Outbox:
        """The outbox: nothing is sent."""
        return self.outbox

    def on_state(self, call: Callable[[str], None]) -> None:
        """The state never changes."""

    def give_back(self, most: int) -> list[MovedRun]:
        """See `Link`."""
        return [MovedRun(*one) for one in self.outbox.take_unsent(most)]

    def on_dead(self, call: Callable[[bytes, int, str], None]) -> None:
        """Nothing is sent."""


class DryContext(Context):
    """A context without effects; `links` are those that the handler opened."""

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
        role: LinkRole | None = None,
        apart: str = "",
    ) -> DryLink:
        """Record the link."""
        self.links.append(DryLink(address, Outbox(address, options.limits)))
        return self.links[-1]

    def bind(self, address: str, options: ZmtpListenerOptions, role: ListenerRole) -> str:
        """Open no socket."""
        return address

    def handler(self, section: str) -> Handler:
        """Another handler of the configuration."""
        return self._handlers[section]
