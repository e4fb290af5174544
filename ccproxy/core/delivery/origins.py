"""Origins: which numbers of which links have come in here, so that no message is taken twice.

Of each link and epoch only the last number counts, because a link sends in order. The number of
epochs is bounded: of the link that has most of them, the one that was used the longest ago goes
first, so that no link can make others be forgotten by many openings; messages of it would be taken
again. An epoch of which messages were refused counts no further: its last number would say that
they have come in, to a source that has not heard of the refusal and sends them again after a
restart. It must never look at messages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from ccproxy.core.delivery.store import RunOrigin

MOST_ORIGINS = 4096
"""Epochs of all links that are remembered."""


class Origins:
    """The last number of each link and epoch."""

    def __init__(self, most: int = MOST_ORIGINS) -> None:
        self._links: OrderedDict[bytes, OrderedDict[int, int]] = OrderedDict()
        """Link -> epoch -> last number, each with what was used last at the end."""
        self._ended: dict[tuple[bytes, int], None] = {}
        """Links and epochs that count no further."""
        self._most = most
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[bytes, int, int]]:
        """Link, epoch and last number of each."""
        return (
            (link, epoch, last)
            for link, epochs in self._links.items()
            for epoch, last in epochs.items()
        )

    def known(self, origin: RunOrigin, messages: int) -> int:
        """How many of the messages of a run, the first ones, have come in before."""
        epochs = self._links.get(origin.link)
        last = epochs.get(origin.epoch, 0) if epochs else 0
        return max(0, min(messages, last - origin.first + 1))

    def counting(self, origin: RunOrigin) -> RunOrigin:
        """What is to be noted of a run: its origin, without a link if the epoch counts no more."""
        ended = self._ended and (origin.link, origin.epoch) in self._ended
        return origin._replace(link=b"") if ended else origin

    def came(self, origin: RunOrigin, taken: int, messages: int) -> None:
        """So many of the messages of a run have come in, the first ones; the others are refused."""
        if taken and origin.link:
            self.note(origin.link, origin.epoch, origin.first + taken - 1)
        if taken < messages and origin.link:
            self._ended[origin.link, origin.epoch] = None
            if len(self._ended) > self._most:
                del self._ended[next(iter(self._ended))]

    def note(self, link: bytes, epoch: int, last: int) -> None:
        """Everything up to this number has come in."""
        epochs = self._links.setdefault(link, OrderedDict())
        self._count += epoch not in epochs
        epochs[epoch] = max(last, epochs.get(epoch, 0))
        epochs.move_to_end(epoch)
        self._links.move_to_end(link)
        if self._count > self._most:
            self._forget_one()

    def _forget_one(self) -> None:
        """Of links with equally many epochs, that which was used the longest ago is the first."""
        link = max(self._links, key=lambda one: len(self._links[one]))
        self._links[link].popitem(last=False)
        self._count -= 1
        if not self._links[link]:
            del self._links[link]
