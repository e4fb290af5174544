"""The sink of a publishing socket: each message goes to the peers that want its topic.

A `Publisher` takes runs and gives each subscriber the payloads that it wants, through that peer's
own outbox with its own policy. One subscriber that reads slowly loses its own messages only, unless
its policy is `block`. It must never touch a socket.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from ccproxy.core.latest import LatestBox
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import FORWARDED, Fates, Run, offer_to, offered
from ccproxy.core.sinks import Receipt
from ccproxy.core.spans import by_topic, shares
from ccproxy.core.subscriptions import BUDGET, Audience, Subscriptions
from ccproxy.core.topics import LastValues
from ccproxy.core.walk import Span

UNSUBSCRIBED = "unsubscribed"
NOTHING: tuple[bytes, list[Span]] = (b"", [])
LONG_SPAN = 4
"""Average messages of a span from which on each span is given to its peers by itself."""


class Supplier(Protocol):
    """What brings messages to a Publisher and can ask its peers for fewer or more of them."""

    def change(self, more: bool, prefix: bytes) -> None:
        """A prefix is wanted now, or by no subscriber any more."""

    def message(self, payload: bytes) -> bool:
        """A subscriber has sent a message to the publishers; False if there are none."""


class Publisher:
    """A Distributor; see the module."""

    def __init__(self, name: str, blocks: bool = False, tells: bool = True) -> None:
        """`blocks`: a subscriber whose outbox is full makes the senders wait."""
        self.name = name
        self.subscriptions = Subscriptions(self._wish)
        self.upstream: list[Supplier] = []
        self.tells = tells
        """False: publishers are asked for everything, whatever is subscribed to."""
        self.unsubscribed = 0
        """Messages that no subscriber wanted."""
        self._blocks = blocks
        self.last: LastValues | None = None
        """The newest message of each topic, if new subscribers get it."""
        self._full: dict[Outbox | LatestBox, None] = {}
        self._sorted: tuple[bytes, list[Span]] = NOTHING
        """The chunk that `reach` has looked at, until `take` gets it: nothing changes meanwhile."""

    @property
    def may_block(self) -> bool:
        """True if its peers' policy is `block`."""
        return self._blocks

    @property
    def blocked(self) -> bool:
        """True while a subscriber that has to get everything is full."""
        if not self._full:
            return False
        for box in list(self._full):
            if box.blocked:
                return True
            del self._full[box]
        return False

    def reach(self, chunk: bytes, start: int) -> int:
        """Messages to give to it at a time, see `runs.Stepwise`."""
        if not self.subscriptions.longest:  # all topics have the same audience
            return sys.maxsize
        spans = by_topic(chunk, start, self.subscriptions, BUDGET)
        if not start and spans[-1][2] == len(chunk):
            self._sorted = chunk, spans
        return sum([messages for _, _, _, messages in spans])

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when a subscriber that is full now has room."""
        for box in self._full:
            if box.blocked:
                box.wait(call)
                return
        call()

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take messages with envelopes; the number that a subscriber wants and has room for."""
        return offer_to(self, chunk, messages, receipt)

    def take(self, run: Run) -> Fates:
        """Give the payloads of a run to the peers that want them."""
        wanted = self.subscriptions
        chunk = run.payloads
        if self.last is not None:
            self.last.note(chunk)
        if not wanted.longest:
            return self._give(wanted.resolve(b"").place, chunk, run.messages)
        sorted, spans = self._sorted
        self._sorted = NOTHING
        if sorted is not chunk:
            spans = by_topic(chunk, 0, wanted, sys.maxsize)
        if len(spans) == 1:
            return self._give(spans[0][0], chunk, run.messages)
        if len(spans) * LONG_SPAN > run.messages:
            return self._scatter(chunk, spans)
        fates: list[tuple[str, int]] = []
        for audience, start, end, messages in spans:
            fates += self._give(audience, chunk[start:end], messages)
        return fates

    def forget(self, box: Outbox | LatestBox) -> None:
        """The peer of an outbox has left: no sender waits for it any more."""
        self._full.pop(box, None)

    def _give(self, audience: Audience, chunk: bytes, messages: int) -> Fates:
        """Give all messages of a chunk to one audience."""
        most = -1
        for peer in audience.peers:
            if peer.gone:
                continue
            box = peer.box
            taken = box.offer(chunk, messages)
            if taken > most:
                most = taken
            if self._blocks and box.blocked:
                self._full[box] = None
        if most < 0:
            self.unsubscribed += messages
            return ((UNSUBSCRIBED, messages),)
        return offered(messages, most)

    def _scatter(self, chunk: bytes, spans: list[Span]) -> Fates:
        """Give many short spans: each outbox is asked once, with all that it gets of the chunk."""
        given, wanted = shares(chunk, spans)
        taken: list[tuple[Sequence[int], int]] = []
        short = False
        for box, (part, messages, numbers) in given.items():
            room = box.offer(part, messages)
            taken.append((numbers, room))
            short = short or room < messages
            if self._blocks and box.blocked:
                self._full[box] = None
        fates = [(FORWARDED if one else UNSUBSCRIBED, messages) for one, messages in wanted]
        self.unsubscribed += sum([messages for one, messages in wanted if not one])
        return _split(spans, taken) if short else fates

    def _wish(self, more: bool, prefix: bytes) -> None:
        for one in list(self.upstream):
            one.change(more, prefix)


def _split(spans: Sequence[Span], taken: Sequence[tuple[Sequence[int], int]]) -> Fates:
    """The fates of spans of which outboxes have taken only the first messages: `taken` has the
    numbers of the spans that an outbox was given, and how many messages it has taken."""
    most: dict[int, int] = {}
    for numbers, room in taken:
        for number in numbers:
            some = min(spans[number][3], room)
            room -= some
            most[number] = max(most.get(number, 0), some)
    fates: list[tuple[str, int]] = []
    for number, (_, _, _, messages) in enumerate(spans):
        if number in most:
            fates += offered(messages, most[number])
        else:
            fates.append((UNSUBSCRIBED, messages))
    return fates
