"""The links of all handlers: they outlive a handler that a reload replaces, with what waits there.

A link belongs to a section and an address. It must never be closed while messages wait in it, but
for the time that its `linger` gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.message import Message
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.handler import Link
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.link import UNUSED, OutgoingLink

Key = tuple[str, str]
"""A section and an address."""
Calls = tuple[
    Callable[[Message], None] | None, Callable[[str], None], Callable[[bytes, int, str], None]
]
"""Who gets the messages of a link, and is told of its state and of what it gives up."""
LinkStates = tuple[dict[Key, OutgoingLink], dict[OutgoingLink, tuple[Calls, LinkOptions]]]
"""Open links, and of each its calls and its options."""


class Links:
    """All open links, and those that only send what still waits."""

    def __init__(self, kit: Kit) -> None:
        self.open: dict[Key, OutgoingLink] = {}
        self.past = Outbox("links gone", Limits())
        """Sums up the outboxes of links that are gone."""
        self._kit = kit
        self._retired: dict[OutgoingLink, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[OutgoingLink]:
        return iter(self.open.values())

    def get(
        self, key: Key, address: Address, options: LinkOptions, sections: Collection[str]
    ) -> OutgoingLink:
        """The link of a section to an address: the open one, or a new one.

        A link to the same address whose section is not among `sections` is taken over: its section
        has probably been renamed.
        """
        link = self.open.get(key) or self._inherit(key, sections)
        if link is None:
            link = OutgoingLink(key[0], address, options, self._kit)
        else:
            link.reconfigure(options)
        self.open[key] = link
        return link

    def restore(self, before: LinkStates) -> None:
        """Have the links that there were, each as it was, and close none of the others yet."""
        links, states = before
        made = {key: one for key, one in self.open.items() if one not in states}
        self.open = {**links, **made}
        for key, link in links.items():
            link.rename(key[0])
            (link.on_message, link.told, link.dead), options = states[link]
            link.reconfigure(options)

    def state(self) -> LinkStates:
        """What `restore` needs."""
        states = {link: ((link.on_message, link.told, link.dead), link.options) for link in self}
        return dict(self.open), states

    def retire(self, used: Collection[OutgoingLink]) -> None:
        """Close the links that nobody uses any more, once what waits in them is sent."""
        for key, link in list(self.open.items()):
            if link not in used:
                del self.open[key]
                link.outbox.name += " (replaced)"
                self._begin_retirement(link)

    def release(self, link: Link) -> None:
        """Close one link, once what waits in it is sent."""
        [key] = [key for key, one in self.open.items() if one is link]
        self._begin_retirement(self.open.pop(key))

    async def stop(self, linger: float) -> None:
        """Close all links, after at most `linger` seconds for what waits."""
        for retirement in self._retired.values():
            retirement.cancel()
        await asyncio.gather(*self._retired.values(), return_exceptions=True)
        links = [*self, *self._retired]
        await asyncio.gather(*(link.close(min(linger, link.options.linger)) for link in links))

    def queues(self) -> list[CountedQueue]:
        """The queues of all links."""
        return [link.sink for link in (*self, *self._retired)]

    def _inherit(self, key: Key, sections: Collection[str]) -> OutgoingLink | None:
        for old in list(self.open):
            if old[1] == key[1] and old[0] not in sections:
                link = self.open.pop(old)
                link.rename(key[0])
                return link
        return None

    def _begin_retirement(self, link: OutgoingLink) -> None:
        self._retired[link] = asyncio.create_task(self._retire(link))

    async def _retire(self, link: OutgoingLink) -> None:
        await link.close(link.options.linger, UNUSED)
        self.past.absorb(link.sink)
        del self._retired[link]
