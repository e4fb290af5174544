"""A listener that listens nowhere: it connects to the addresses of peers and takes their messages.

For sockets that receive where the other side is the one with the address, such as a SUB that
connects to a PUB. It must never send anything but what its role puts into the outboxes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Outbox
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.net.zmtp.role import LinkRole


class NoAddress:
    """In the place of an acceptor: there is nothing to accept, but links to open."""

    def __init__(self, name: str, begin: Callable[[], None]) -> None:
        self.name = name
        self.address: Address | None = None
        self.bound = ""
        self.counts: Counter[str] = Counter()
        self.silent = 0
        self.listening = True
        """Nothing has to be bound."""
        self._begin = begin

    def open(self, options: Any) -> None:
        """Nothing is bound."""

    def accept(self) -> None:
        """Open the links."""
        self._begin()

    def close(self) -> None:
        """Nothing was bound."""

    def reopen(self) -> None:
        """Open the links again."""
        self._begin()


class DialledListener:
    """The links of one section; see `ccproxy.protocol.Listener`."""

    def __init__(
        self,
        plan: ListenerPlan,
        kit: Kit,
        role: LinkRole,
        options_of: Callable[[Any], LinkOptions],
    ) -> None:
        """`options_of` makes the options of the links from those of the section, which have the
        addresses as `connect`."""
        self.name = plan.section
        self.options = plan.options
        self.role = role
        self.acceptor = NoAddress(plan.section, self._open)
        self.links: dict[str, OutgoingLink] = {}
        self.past = Outbox(f"{plan.section} peers gone", plan.options.limits)
        self._kit = kit
        self._options_of = options_of
        self._closing: set[asyncio.Task[None]] = set()
        self._show()

    @property
    def calls(self) -> int:
        """No calls come in by links."""
        return 0

    def stop_reading(self) -> None:
        """The links go on until `close_peers`: what their peers have sent is still read."""
        self.role.stopped()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Close all links, after at most `seconds` for what waits."""
        links, self.links = self.links, {}
        await asyncio.gather(*(self._close(one, seconds) for one in links.values()))
        await asyncio.gather(*self._closing)

    def drop(self, wanted: Callable[[str], bool], reason: str) -> int:
        """Nothing: an operator pauses links."""
        return 0

    def reconfigure(self, options: Any) -> None:
        """Connect to addresses that are new, close links to those that are gone."""
        self.options = options
        for address in [one for one in self.links if one not in options.connect]:
            closing = self._close(self.links.pop(address), options.linger)
            task = asyncio.get_running_loop().create_task(closing, name=f"close {self.name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for link in self.links.values():
            link.rename(self.name)
            link.reconfigure(self._options_of(options))
        self.role.reconfigured(options)
        self._show()

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all links, and one that sums up those that are gone."""
        return [self.past, *(link.outbox for link in self.links.values())]

    def _open(self) -> None:
        options = self._options_of(self.options)
        for address in self.options.connect:
            if address not in self.links:
                where = Address.remote(address)
                self.links[address] = OutgoingLink(self.name, where, options, self._kit, self.role)

    def _show(self) -> None:
        self.acceptor.bound = ", ".join(f"connects to {one}" for one in self.options.connect)

    async def _close(self, link: OutgoingLink, seconds: float) -> None:
        await link.close(seconds)
        self.past.absorb(link.outbox)
