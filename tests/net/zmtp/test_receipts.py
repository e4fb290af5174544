"""Clients with receipts: the words of a connection, fencing, what is said and when. No sockets."""

import asyncio

import pytest

from ccproxy.core.delivery.far_side import RememberedLinks
from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.flows import Target
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.net.zmtp import far_peers
from ccproxy.net.zmtp.receipts import Clients
from ccproxy.protocols.zmq.numbered import NumberedRouter
from ccproxy.wire.receipts import (
    PROPERTY,
    Acknowledgement,
    Announcement,
    Fenced,
    Forget,
    Greeting,
    ProducerId,
    decode,
    encode,
    number_frame,
    producer_property,
)
from ccproxy.wire.zmtp import Peer, Properties
from ccproxy.wire.zmtp.commands import parse_frame
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, Nack
from ccproxy.wire.zmtp.frames import COMMAND, pack, unpack
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch

SERVER = b"S" * 16
PRODUCER = b"P" * 16


class Voice:
    """A connection of a client; `said` are words, commands and reasons."""

    def __init__(self, clients, name, target, opening=1, credential=None, id=PRODUCER):
        self.clients, self.name, self.credential = clients, name, credential
        self.closed = self.paused = self.reached = False
        self.reason = ""
        self.said = []
        self.last_heard = 0.0
        value = producer_property(ProducerId(id, opening))
        peer = Peer((3, 1), b"DEALER", b"", properties=Properties({PROPERTY: value}))
        self.switch = FakeSwitch(target)
        source = MessageSource(PEER, name, "listen")
        input = PeerInput(source, BOUNDS)
        self.sink = clients.ingress(self.switch, self, peer, input, NumberedIngress)
        self.sink.opened(self)

    def tell(self, data):
        command = data[0] & COMMAND
        self.said.append(parse_frame(data) if command else decode(unpack(data)))

    tell_now = tell

    def refuse(self, reason):
        self.said.append(reason)

    def close(self, reason):
        self.closed, self.reason = True, reason
        self.clients.closed(self)

    @property
    def token(self):
        return [one.token for one in self.said if isinstance(one, Greeting)][-1]

    def next(self, number, token=None, epoch=1):
        self.sink.feed(pack(encode(Announcement(epoch, number, token or self.token))))
        return self

    def send(self, *numbers):
        for number in numbers:
            self.sink.feed(pack([number_frame(number), b"", b"data", b"%d" % number]))
        return self


@pytest.fixture
def clients():
    return Clients(SERVER)


@pytest.fixture
def connect(clients):
    return lambda name="one", target=None, **options: Voice(
        clients, name, target or Target((Box(99),)), **options
    )


def ack(number, kind="handed", epoch=1):
    return Acknowledgement(epoch, number, kind)


def greeting(voice, **places):
    return Greeting(SERVER, {1: places["last"]} if places else {}, voice.token)


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_connection_begins_with_what_is_here(clients, connect):
    one = connect()
    assert one.said == [greeting(one)]
    assert clients.find(one) is one.sink
    one.next(1).send(1, 2).send(3)
    await turn()
    assert one.said[1:] == [ack(3)]
    one.close("cut")
    assert clients.find(one) is None
    two = connect("two")
    assert two.said == [greeting(two, last=3), ack(3)]
    assert two.token != one.token


@pytest.mark.parametrize("value", [b"", b"2;producer=1", b"1;producer=zz;opening=1"])
async def test_any_other_peer_is_a_plain_one(clients, value):
    peer = Peer((3, 1), b"DEALER", b"", properties=Properties({PROPERTY: value}))
    input = PeerInput(MessageSource(PEER, "one", "listen"), BOUNDS)
    assert clients.ingress(FakeSwitch(), object(), peer, input, NumberedIngress) is None


async def test_other_listeners_than_those_of_cc_messages_know_no_words_of_clients(clients):
    value = producer_property(ProducerId(b"I" * 16, 1))
    peer = Peer((3, 1), b"DEALER", b"", properties=Properties({PROPERTY: value}))
    input = PeerInput(MessageSource(PEER, "one", "listen"), BOUNDS)
    assert clients.ingress(FakeSwitch(), object(), peer, input, NumberedRouter) is None


async def test_one_that_never_sends_with_a_number_is_not_remembered(clients, connect):
    one = connect()
    assert len(clients.links) == 0
    two = connect("two")
    assert one.closed
    two.next(1)
    assert [link.connected for link in clients.links] == [True]
    two.close("gone")
    assert [link.connected for link in clients.links] == [False]


async def test_what_was_written_for_another_connection_is_passed_over(connect):
    one = connect()
    token = one.token
    one.close("cut")
    two = connect("two")
    two.next(50, token).send(50, 51)
    assert two.sink.link.numbers == {}
    two.next(1).send(1)
    assert two.sink.link.numbers == {1: 1}


async def test_behind_a_gap_it_begins_anew(connect):
    one = connect()
    first = one.token
    one.next(1).send(1, 3)
    await turn()
    assert one.said[1:] == [greeting(one, last=1), ack(1)]
    one.next(3, first).send(3)
    one.next(2).send(2, 3)
    await turn()
    assert one.said[3:] == [ack(3)]


async def test_a_new_connection_ends_the_one_before_and_says_so(connect):
    one = connect()
    one.next(1).send(1)
    two = connect("two")
    assert (one.closed, one.said[-1]) == (True, Fenced(far_peers.FENCED))
    one.send(2)
    assert two.said == [greeting(two, last=1), ack(1)]
    assert two.sink.link.numbers == {1: 1}
    two.next(2).send(2)
    await turn()
    assert two.said[2:] == [ack(2)]


async def test_a_second_live_copy_hears_why_it_is_turned_away(connect, monkeypatch, until):
    monkeypatch.setattr(far_peers, "PROBE_TIME", 0.001)
    one, two = connect(), connect("two", opening=2)
    two.send(1).next(1, b"whatever").send(1)
    assert (two.said, one.sink.link.numbers) == ([], {})
    one.last_heard = 1.0
    await until(lambda: two.closed)
    text = "a second copy of it is connected from one"
    assert two.said == [Fenced(text), text]
    assert not one.closed


async def test_so_does_one_with_another_key(connect):
    one, two = connect(credential="key"), connect("two", credential="other")
    assert (one.closed, two.closed) == (False, True)
    assert two.said[0] == Fenced("it is connected from one with another key")


async def test_messages_without_numbers_pass_at_any_time(connect, monkeypatch, until):
    monkeypatch.setattr(far_peers, "PROBE_TIME", 0.001)
    one, two = connect(), connect("two", opening=2)
    plain = pack([b"", b"data", b"x"])
    assert two.sink.feed(plain)[0] == len(plain)
    assert two.switch.fates() == {"forwarded": 1}
    await until(lambda: one.closed)
    assert one.said[-1] == Fenced(far_peers.SILENT)
    assert two.said == [greeting(two)]


async def test_refusals_are_said_before_the_acknowledgement_and_again_after_a_cut(connect):
    one = connect(target=Target((Box(0),)))
    one.next(1).send(1, 2)
    await turn()
    assert one.said[1:] == [Nack(1, 1, 2, "full"), ack(2)]
    one.close("cut")
    two = connect("two")
    assert two.said == [greeting(two, last=2), Nack(1, 1, 2, "full"), ack(2)]


async def test_only_the_next_message_can_be_refused_as_too_big(connect):
    one = connect()
    one.next(1).send(1)
    await turn()
    big = pack([number_frame(2), b"", b"data", b"x" * 2 * BOUNDS[0]])
    one.sink.feed(pack([b"", b"data", b"x" * 2 * BOUNDS[0]]))
    one.sink.refused("too-big")
    assert one.said[1:] == [ack(1)]
    one.sink.feed(big)
    one.sink.refused("too-big")
    assert one.said[2:] == [Nack(1, 2, 1, "too-big"), ack(2)]


async def test_what_is_told_between_connections_is_said_to_the_next_one(connect):
    one = connect()
    one.next(1)
    link = one.sink.link
    _, [receipt] = link.handed(2, 1)
    one.close("cut")
    receipt(1, "safe")
    receipt(1, "old")
    two = connect("two")
    await turn()
    assert two.said == [greeting(two, last=2), Nack(1, 2, 1, "old"), ack(2, "safe")]


async def test_a_client_that_ends_in_order_is_forgotten(clients, connect):
    one = connect()
    one.next(1).send(1)
    one.sink.feed(pack(encode(Forget())))
    one.sink.command(b"ODD", b"")
    assert len(clients.links) == 1
    one.close("done")
    assert len(clients.links) == 0


async def test_at_the_stop_nothing_with_a_number_is_taken_any_more(connect):
    one = connect()
    one.next(1).send(1)
    assert not one.sink.settled
    await turn()
    assert one.sink.settled
    _, [receipt] = one.sink.link.handed(1, 1)
    one.sink.stop()
    one.send(3).next(3).send(3)
    assert one.sink.feed(pack([b"", b"data", b"x"]))[1] == 0
    assert (one.switch.fates(), one.sink.settled) == ({"forwarded": 2, "duplicate": 2}, False)
    receipt(1, "safe")
    assert not one.sink.settled
    await turn()
    assert (one.said[1:], one.sink.settled) == ([ack(1), ack(2, "safe")], True)


async def test_acknowledgements_of_many_kinds_are_said_at_once(connect):
    one = connect()
    one.next(1)
    link = one.sink.link
    for _ in range(500):
        link.handed(1, 0)
        _, [receipt] = link.handed(1, 1)
        receipt(1, "safe")
    assert len(one.said) > 900
    await turn()
    expected = [ack(number, ("safe", "handed")[number % 2]) for number in range(1, 1001)]
    assert one.said[1:] == expected[: len(one.said) - 1]


async def test_nothing_is_acknowledged_before_its_refusal_is_known(connect):
    one = connect(target=Target((Box(0),)))
    one.next(1)
    link = one.sink.link
    for number in range(1, 201, 2):
        _, [receipt] = link.handed(1, 1)
        receipt(1, "safe")
        one.send(number + 1)
    await turn()
    refused = set()
    for word in one.said:
        if isinstance(word, Nack):
            refused |= set(range(word.first, word.first + word.messages))
        elif isinstance(word, Acknowledgement):
            assert refused >= set(range(2, word.number + 1, 2))
    assert len(refused) == 100


async def test_refusals_without_number_are_said_in_parts(connect, monkeypatch, until):
    monkeypatch.setattr(far_peers, "MOST_REFUSALS", 10)
    one = connect()
    one.next(1)
    _, [receipt] = one.sink.link.handed(50, 1)
    for number in range(50):
        receipt(1, "full" if number % 2 else "safe")
    await turn()
    assert len(one.said) == 1 + 10
    await until(lambda: one.said[-1] == ack(50, "safe"))
    assert [word.first for word in one.said[1:-1]] == [*range(2, 51, 2)]


async def test_many_starts_of_a_client_are_not_said_to_it_for_ever(connect):
    one = connect(target=Target((Box(0),)))
    for epoch in range(1, MOST_EPOCHS + 9):
        one.next(1, epoch=epoch).send(1)
        await turn()
        one.close("killed")
        one = connect("again", opening=epoch, target=Target((Box(0),)))
    first, *words = one.said
    assert len(first.places) == MOST_EPOCHS
    assert {word.epoch for word in words} == first.places.keys()


async def test_producers_without_end_are_forgotten_and_those_that_are_connected_are_not(clients):
    clients.links = RememberedLinks(most=20)
    kept = Voice(clients, "kept", Target((Box(9),))).next(1)
    for number in range(500):
        one = Voice(clients, "one", Target((Box(9),)), id=b"%016d" % number)
        one.next(1).send(1)
        one.close("gone")
    assert len(clients.links) == 20
    assert kept.sink.link in list(clients.links)
    assert clients.find(kept) is kept.sink
