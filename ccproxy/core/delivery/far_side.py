"""What a far side remembers of the links that send to it: what it has of them, and for how long.

For each link it knows the last number of each epoch that it has handed to the switch, so that a
source can go on behind it after a cut. The number of links and of their epochs is bounded; a link
is forgotten when its source says so, or when it was away for long. This module must never look at
messages, nor read a clock but the one that it is given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from ccproxy.core.delivery.receipts import ReceiptTracker, RunReceipt
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.wire.zmtp.delivery import (
    MOST_EPOCHS,
    UNKNOWN,
    Ack,
    DeliveryCommand,
    Have,
    Nack,
    SourceId,
)
from ccproxy.wire.zmtp.frames import ZmtpError

MOST_LINKS = 4096
"""Links that are remembered; of those that are not connected the one that was here the longest ago
goes first."""
HIGHEST_NUMBER = 1 << 62
LONGEST_GAP = 1 << 40
"""Messages that a source may leave out at a time: more than any queue drops in a day."""
MOST_GAPS = 1 << 53
"""Where the count of them ends: beyond it metrics and JSON are not exact, and it is no count."""
MEMORY = 24 * 3600.0
"""Seconds for which a link is remembered that is not connected."""


class RememberedLink:
    """One link: what has come in, and what became of it."""

    def __init__(self, source: SourceId) -> None:
        self.id = source.link
        self.opening = source.opening
        """The opening of its present or last connection."""
        self.peer = ""
        """The address it came from last."""
        self.listener = ""
        self.connected = False
        self.seen = 0.0
        """When it went away."""
        self.gaps = 0
        """Messages that its source has dropped before they were sent."""
        self.duplicates = 0
        """Messages that came again, and were not taken a second time."""
        self.replaying = False
        """True while its source sends messages once more on purpose."""
        self.replayed = 0
        """Messages of replays that were handed over."""
        self.tracker = ReceiptTracker()
        self.numbers: OrderedDict[int, int] = OrderedDict()
        """The last number of each epoch that was handed to the switch."""
        self.again = 0
        """Messages from now on that came before."""
        self.unseen: dict[int, int] = {}
        """Of epochs that began here behind their first message, the last number that never came: a
        server that was here before this one may know it."""
        self._epoch: int | None = None

    @property
    def next(self) -> MessageNumber | None:
        """The number of the message that comes next; None before the source has said it."""
        if self._epoch is None:
            return None
        return MessageNumber(self._epoch, self.numbers[self._epoch] + 1)

    def begin(self, source: SourceId, peer: str, listener: str) -> list[DeliveryCommand]:
        """It is connected, anew perhaps; what to say first: what is here of it, what of that was
        refused, and what is acknowledged. A source from a backup may know nothing of the last
        epoch, so each one is acknowledged by itself."""
        self.opening, self.peer, self.listener = source.opening, peer, listener
        self.connected, self.replaying, self._epoch, self.again = True, False, None, 0
        unseen = [Nack(epoch, 1, last, UNKNOWN) for epoch, last in self.unseen.items()]
        refusals = self.tracker.all_refusals(self.numbers)
        first: list[DeliveryCommand] = [Have(dict(self.numbers)), *unseen, *refusals]
        for epoch, last in self.numbers.items():
            complete = self.tracker.complete(epoch, last)
            first.append(Ack(epoch, complete))
            if complete < last:
                break
        return first

    def announced(self, to: MessageNumber) -> None:
        """The source has said the number of its next message. ZmtpError if that cannot be."""
        if not 0 < to.number <= HIGHEST_NUMBER:
            raise ZmtpError(f"NEXT with the number {to.number}")
        known = to.epoch in self.numbers
        if not known:
            self._begin_epoch(to)
        last = self.numbers[to.epoch]
        self.numbers.move_to_end(to.epoch)
        if len(self.numbers) > MOST_EPOCHS:
            forgotten, _ = self.numbers.popitem(last=False)
            self.unseen.pop(forgotten, None)
        self._epoch = to.epoch
        self.again = max(0, last + 1 - to.number)
        if known and to.number > last + 1:
            missing = to.number - 1 - last
            if missing > LONGEST_GAP:
                raise ZmtpError(f"NEXT leaves out {missing} messages; limit {LONGEST_GAP}")
            self.gaps = min(self.gaps + missing, MOST_GAPS)
            self.tracker.add(to.epoch, last + 1, missing, 0)
            self.numbers[to.epoch] = to.number - 1

    def _begin_epoch(self, at: MessageNumber) -> None:
        """The epoch is new here, or it was forgotten."""
        self.tracker.forget(at.epoch)
        before = self.numbers[at.epoch] = at.number - 1
        self.unseen.pop(at.epoch, None)
        if before:
            # A source from a backup may have these, and wait for them.
            self.unseen[at.epoch] = before
            if self.tracker.confirmations is not None:
                self.tracker.pass_over(at.epoch, before)

    def handed(self, messages: int, destinations: int) -> tuple[MessageNumber, list[RunReceipt]]:
        """The next messages are about to be handed over: the number of the first of them, and a
        receipt for each destination that confirms."""
        assert self._epoch is not None
        first = self.numbers[self._epoch] + 1
        self.numbers[self._epoch] += messages
        self.replayed += messages * self.replaying
        receipts = self.tracker.add(self._epoch, first, messages, destinations)
        return MessageNumber(self._epoch, first), receipts


@dataclass(slots=True)
class ReceivedCounts:
    """What has come over links with acknowledgements, see `RememberedLink`."""

    gaps: int = 0
    duplicates: int = 0
    refused: int = 0

    def add(self, link: RememberedLink) -> None:
        """Add what has come over a link."""
        self.gaps = min(self.gaps + link.gaps, MOST_GAPS)
        self.duplicates += link.duplicates
        self.refused += link.tracker.refused


class RememberedLinks:
    """All links that have sent to this server."""

    def __init__(self, most: int = MOST_LINKS, clock: Callable[[], float] = float) -> None:
        self._links: dict[bytes, RememberedLink] = {}
        self._away: OrderedDict[bytes, RememberedLink] = OrderedDict()
        """Those that are not connected, and some that are again: the one that left first is in
        front, so that a new one is not compared with all."""
        self._new: WeakValueDictionary[bytes, RememberedLink] = WeakValueDictionary()
        """Those that have connections, and are not remembered."""
        self._most = most
        self._clock = clock
        self._past = ReceivedCounts()
        """The counts of links that are forgotten."""

    def __iter__(self) -> Iterator[RememberedLink]:
        return iter(self._links.values())

    def __len__(self) -> int:
        return len(self._links)

    def get(self, source: SourceId) -> RememberedLink:
        """The link of a source, which is remembered from now on."""
        link = self.find(source)
        self.keep(link)
        return link

    def find(self, source: SourceId) -> RememberedLink:
        """The link of a source; a new one is not remembered before `keep`."""
        link = self._links.get(source.link) or self._new.get(source.link)
        if link is None:
            link = self._new[source.link] = RememberedLink(source)
        elif not link.connected:
            self.left(link)
        return link

    def keep(self, link: RememberedLink) -> None:
        """Remember a link."""
        if link.id in self._links:
            return
        self._age()
        self._links[link.id] = link
        self._new.pop(link.id, None)
        if not link.connected:
            self.left(link)

    def totals(self) -> ReceivedCounts:
        """The counts of all links there have been."""
        found = replace(self._past)
        for link in self:
            found.add(link)
        return found

    def left(self, link: RememberedLink) -> None:
        """A link is not connected, from now on or still."""
        link.connected, link.seen = False, self._clock()
        if link.id in self._links:
            self._away[link.id] = link
            self._away.move_to_end(link.id)

    def forget(self, link: RememberedLink) -> None:
        """Its source will not come back."""
        self._away.pop(link.id, None)
        if self._links.pop(link.id, None) is not None:
            self._past.add(link)

    def _age(self) -> None:
        """Forget links that were away for too long, or that are too many."""
        now, away = self._clock(), self._away
        while away:
            one = next(iter(away.values()))
            if one.connected:
                del away[one.id]
            elif len(self._links) >= self._most or now - one.seen > MEMORY:
                self.forget(one)
            else:
                break
