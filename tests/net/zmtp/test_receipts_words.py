"""A client that says words and numbers in any order, right ones and wrong ones: nothing but a
ZmtpError escapes, nothing grows, each message is taken once, and no receipt is false."""

import asyncio
import random

import pytest

from ccproxy.core.delivery.confirmations import MOST_SERIES
from ccproxy.core.delivery.receipts import MOST_REPEATED
from ccproxy.core.flows import Target
from ccproxy.net.zmtp.receipts import Clients
from ccproxy.wire.receipts import (
    WORD,
    Acknowledgement,
    Announcement,
    Fenced,
    Forget,
    Greeting,
    encode,
    number_frame,
)
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, Nack
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack
from tests.net.zmtp.test_receipts import SERVER, Voice

NUMBERS = (0, 1, 1, 2, 3, 4, 7, 2**62, 2**64 - 1)


class Store:
    """A destination that confirms when it is told to; some messages it does not take."""

    name, may_block, blocked = "store", False, False

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.taken: list[tuple[int, int]] = []
        self.safe: set[tuple[int, int]] = set()
        self.bad: set[tuple[int, int]] = set()
        self.open: list = []

    def offer(self, chunk, messages, receipt=None):
        return messages  # without a number

    def accept(self, chunk, messages, origin, receipt):
        ends = [0, *boundaries(chunk)]
        texts = [unpack(chunk[a:b])[-1] for a, b in zip(ends, ends[1:], strict=False)]
        assert texts == [b"%d" % (origin.first + place) for place in range(messages)]
        places = [(origin.epoch, origin.first + place) for place in range(messages)]
        self.taken += places
        count = messages if self.random.random() < 0.8 else 0
        self.bad |= set(places[count:])
        self.open += [(place, receipt) for place in places[:count]]
        return count

    def settle(self) -> None:
        """Confirm the oldest message."""
        if self.open:
            place, receipt = self.open.pop(0)
            good = self.random.random() < 0.8
            (self.safe if good else self.bad).add(place)
            receipt(1, "safe" if good else "old")


class World:
    """One producer and its connections, and what was said to it of each message."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.clients = Clients(SERVER)
        self.store = Store(self.random)
        self.link = None
        self.connect()

    def connect(self) -> None:
        self.voice = Voice(self.clients, "one", Target((self.store,)))
        self.link = self.voice.sink.link
        self.heard = 0
        self.refused: set[tuple[int, int]] = set()

    async def step(self) -> None:
        pick, store = self.random.choice, self.store
        what = pick(("feed",) * 12 + ("settle",) * 4 + ("cut", "turn", "turn"))
        if what == "cut":
            self.end()
        elif what == "settle":
            store.settle()
        elif what == "feed":
            try:
                self.voice.sink.feed(pack(self.frames()))
            except ZmtpError:
                self.end()
        else:
            for _ in range(3):
                await asyncio.sleep(0)
        self.check()

    def end(self) -> None:
        """The connection is over; one that has said that it will not come back comes as new."""
        if self.voice.sink.forget:
            self.store = Store(self.random)
        self.voice.close("cut")
        self.connect()

    def frames(self):
        """What a client may say, most often; then anything."""
        pick, epoch = self.random.choice, self.random.choice((1, 2))
        right = self.link.next.number if self.link.next else 1
        if not self.voice.sink.input.announced and self.random.random() < 0.7:
            right = self.link.numbers.get(epoch, 0) + pick((1, 1, 1, 0, 2))
            return encode(Announcement(epoch, max(right, 1), self.voice.token))
        if self.random.random() < 0.8:
            return [number_frame(right), b"", b"data", b"%d" % right]
        number, token = pick((*NUMBERS, right)), pick((self.voice.token, b"T" * 8))
        return pick(
            (
                encode(Announcement(epoch, number, token)),
                [number_frame(number), b"", b"data", b"%d" % number],
                encode(Forget()), encode(Greeting(SERVER, {1: number}, token)),
                encode(Acknowledgement(epoch, number, "safe")), encode(Nack(epoch, number, 9, "x")),
                encode(Fenced("you")), [WORD, b"next", b"1"], [WORD],
            )
        )  # fmt: skip

    def taken(self, epoch: int, first: int, last: int) -> set[tuple[int, int]]:
        """Those of these messages that the destination was given."""
        return {one for one in self.store.taken if one[0] == epoch and first <= one[1] <= last}

    def check(self) -> None:
        store, link, tracker = self.store, self.link, self.link.tracker
        assert len(store.taken) == len(set(store.taken)), "doubled"
        for word in self.voice.said[self.heard :]:
            if isinstance(word, Nack):
                self.refused |= self.taken(word.epoch, word.first, word.first + word.messages - 1)
            elif isinstance(word, Acknowledgement):
                covered = self.taken(word.epoch, 0, word.number)
                assert covered - self.refused <= store.safe, "a false receipt"
        self.heard = len(self.voice.said)
        kinds = tracker.confirmations
        for kept in (link.numbers, link.unseen, tracker._forgotten, kinds._ends):
            assert len(kept) <= MOST_EPOCHS
        assert len(kinds._series) <= MOST_SERIES and len(tracker._said) <= MOST_REPEATED


@pytest.mark.parametrize("seed", range(4))
async def test_words_in_any_order_give_no_false_receipt(seed):
    taken = safe = bad = 0
    for number in range(100):
        world = World(seed * 100 + number)
        for _ in range(100):
            await world.step()
        taken += len(world.store.taken)
        safe, bad = safe + len(world.store.safe), bad + len(world.store.bad)
    assert min(taken, safe, bad) > 100
