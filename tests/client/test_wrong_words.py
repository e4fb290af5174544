"""A server that says words in any order, right ones and wrong ones: nothing escapes, nothing grows,
and no message has a receipt that this connection could not give."""

import random

import pytest

from ccproxy.client import ClientLimits, Refused
from ccproxy.client.producer import Producer
from ccproxy.client.receipts import WaitingMessage
from ccproxy.core.delivery.producer import ProducedMessage
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, Forget, Nack

OLD, OTHER = 8, 9
NUMBERS = (0, 1, 2, 3, 5, 2**64 - 1)
KINDS = (wire.SAFE, wire.HANDED)


class Client:
    """A client, and what its connection allows a server to acknowledge."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.producer = Producer(ClientLimits())
        self.epochs = self.producer.id.opening, OLD, OTHER
        self.waiting: list[WaitingMessage] = []
        self.claimed: dict[int, int] = {}
        self.here: set[MessageNumber] = set()
        self.announced = MessageNumber(0, 0)
        # As a spool does: a message of an earlier start.
        old = ProducedMessage(MessageNumber(OLD, 2), [b"old"], 1, sent=True)
        self.producer._engine._hold(old)
        self.waiting.append(WaitingMessage(old.frames, old))
        self.producer._waiting[old.place] = self.waiting[0]
        self.told: set[MessageNumber] = set()

    def step(self) -> None:
        """Something that may happen."""
        self.random.choice((self.submit, self.send, self.send, self.cut, *[self.say] * 6))()
        self.check()

    def submit(self) -> None:
        try:
            self.waiting.append(self.producer.submit([b"x"], 0.0))
        except ConnectionError:
            assert self.producer._problem

    def send(self) -> None:
        self.producer.send(self.sent)

    def sent(self, frames) -> None:
        if frames[0] == wire.WORD:
            word = wire.decode(frames)
            self.announced = MessageNumber(word.epoch, word.number)
            return
        assert wire.number_of(frames[0]) == self.announced.number
        self.here.add(self.announced)
        self.announced = self.announced._replace(number=self.announced.number + 1)

    def cut(self) -> None:
        self.producer.disconnected()

    def say(self) -> None:
        """What a server may say, most often."""
        pick, sent = self.random.choice, self.producer._engine._sent
        epoch = pick(self.epochs[:2])
        reach = [place.number for place in self.here if place.epoch == epoch]
        number = pick((0, *reach, self.claimed.get(epoch, 0)))
        if self.random.random() < 0.05:
            self.say_anything()
        elif self.producer._engine.state != "sending" or self.random.random() < 0.1:
            places = pick(({}, {self.epochs[0]: pick(range(sent + 1))}, {OLD: 2}, {OTHER: 3}))
            self.hear(wire.encode(wire.Greeting(b"S" * 16, places, b"T" * 8)), places)
        elif self.random.random() < 0.4:
            self.hear(wire.encode(Nack(epoch, number, 1, pick(("full", "unknown")))))
        else:
            self.hear(wire.encode(wire.Acknowledgement(epoch, number, pick(KINDS))))

    def say_anything(self) -> None:
        """Words that make no sense, most often."""
        pick = self.random.choice
        epoch, number, count = pick(self.epochs), pick(NUMBERS), pick(NUMBERS)
        places = {one: pick(NUMBERS) for one in self.random.sample(self.epochs, pick((0, 1, 2)))}
        greeting = wire.Greeting(b"S" * 16, places, b"T" * 8)
        frames = pick(
            (
                wire.encode(greeting),
                wire.encode(wire.Acknowledgement(epoch, number, pick(KINDS))),
                wire.encode(wire.Acknowledgement(epoch, number, pick(KINDS))),
                wire.encode(Nack(epoch, number, count, pick(("full", "unknown")))),
                wire.encode(wire.Announcement(epoch, number, b"T" * 8)), wire.encode(Forget()),
                [wire.WORD], [wire.WORD, b"ack", b"1"], [wire.WORD, b"have", b"", b"", b"", b""],
            )
        )  # fmt: skip
        self.hear(frames, places)

    def hear(self, frames, places=None) -> None:
        self.producer.hear(frames)
        if frames[1:2] == [b"have"] and self.producer._engine._reached == places:
            self.claimed, self.here = dict(places), set()

    def check(self) -> None:
        engine = self.producer._engine
        for one in self.waiting:
            if one.future.done() and one.message.place not in self.told:
                self.told.add(one.message.place)
                self.ended(one, one.message.place)
        assert len(engine) <= len(self.waiting)
        assert len(engine._reached) <= len(self.epochs)
        assert engine.bytes == sum(one.size for one in engine)

    def ended(self, one: WaitingMessage, place: MessageNumber) -> None:
        problem = one.future.exception()
        if problem is None or isinstance(problem, Refused):
            known = place in self.here or place.number <= self.claimed.get(place.epoch, 0)
            assert known, f"{place}: {problem}"
            assert (problem is None) == (not one.message.refusal)


@pytest.mark.parametrize("seed", range(4))
def test_words_in_any_order_give_no_false_receipt(seed):
    ends = set()
    for number in range(100):
        client = Client(seed * 100 + number)
        for _ in range(30):
            client.step()
        ends |= {type(one.future.exception()) for one in client.waiting if one.future.done()}
    assert {type(None), Refused} <= ends


def test_a_server_that_names_epochs_without_end_gives_wrong_receipts():
    client = Client(0)
    places = b"".join(wire._PLACE.pack(epoch, 0) for epoch in range(MOST_EPOCHS + 1))
    client.producer.hear([wire.WORD, b"have", b"S" * 16, places, b"T" * 8])
    assert "wrong receipts" in client.producer._problem
    assert not client.producer._engine._reached
