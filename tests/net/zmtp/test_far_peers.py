"""The receiving end: fencing, two live copies, what is said and when. Without sockets."""

import asyncio

import pytest

from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.flows import Target
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.net.zmtp import far_peers as module
from ccproxy.net.zmtp.far_peers import FarPeers
from ccproxy.wire.zmtp import Peer, Properties, ZmtpError
from ccproxy.wire.zmtp.commands import Other, Ping, parse_frame
from ccproxy.wire.zmtp.delivery import (
    PROPERTY,
    Ack,
    Forget,
    Have,
    Nack,
    Next,
    decode,
    encode,
    source_property,
)
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch, run

LINK = b"L" * 16


class Voice:
    """A connection and its commands."""

    def __init__(self, far, name, target, opening=1, credential=None):
        self.far, self.name, self.credential = far, name, credential
        self.closed = self.paused = self.reached = False
        self.reason = ""
        self.said = []
        self.last_heard = 0.0
        value = source_property(LINK, opening)
        peer = Peer((3, 1), b"DEALER", b"", properties=Properties({PROPERTY: value}))
        self.switch = FakeSwitch(target)
        source = MessageSource(PEER, name, "listen")
        self.sink = far.ingress(self.switch, self, peer, PeerInput(source, BOUNDS), NumberedIngress)
        self.sink.opened(self)

    def tell(self, frame):
        command = parse_frame(frame)
        if isinstance(command, Other):
            command = decode(command.name, command.body)
        self.said.append(command)

    def refuse(self, reason):
        self.said.append(reason)

    def close(self, reason):
        self.closed, self.reason = True, reason
        self.far.closed(self)

    def hear(self, command):
        unit = parse_frame(encode(command))
        self.sink.command(unit.name, unit.body)


@pytest.fixture
def far():
    return FarPeers(b"S" * 16)


@pytest.fixture
def connect(far):
    return lambda name, target=None, **options: Voice(
        far, name, target or Target((Box(99),)), **options
    )


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_here_is_said_first_and_acknowledged_at_the_end_of_a_turn(far, connect):
    one = connect("one")
    assert one.said == [Have({})]
    assert far.find(one) is one.sink
    one.hear(Next(1, 1))
    for _ in range(3):
        one.sink.feed(run([1, 2]))
    await turn()
    assert one.said[1:] == [Ack(1, 6)]


async def test_a_peer_without_the_property_is_a_plain_one(far):
    peer = Peer((3, 1), b"DEALER", b"")
    source = MessageSource(PEER, "one", "listen")
    assert (
        far.ingress(FakeSwitch(), object(), peer, PeerInput(source, BOUNDS), NumberedIngress)
        is None
    )


async def test_a_new_connection_ends_the_one_before(far, connect):
    one = connect("one")
    one.hear(Next(1, 1))
    one.sink.feed(run([1, 2]))
    two = connect("two")
    assert (one.closed, one.reason) == (True, module.FENCED)
    assert two.said == [Have({1: 2}), Ack(1, 2)]
    await turn()
    assert one.said == [Have({})]
    with pytest.raises(ZmtpError, match="before HAVE"):
        one.sink.feed(run([3]))


async def test_another_key_does_not_end_it(far, connect):
    one, two = connect("one", credential="key"), connect("two", credential="other")
    assert not one.closed
    assert two.said == ["it is connected from one with another key"]
    assert two.closed


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "PROBE_TIME", 0.001)


async def test_a_second_live_copy_is_turned_away(far, connect, quick, until):
    one = connect("one")
    two = connect("two", opening=2)
    assert isinstance(one.said[-1], Ping)
    with pytest.raises(ZmtpError, match="a message before HAVE"):
        two.sink.feed(run([1]))
    with pytest.raises(ZmtpError, match="NEXT before HAVE"):
        two.hear(Next(2, 1))
    one.last_heard = 1.0
    await until(lambda: two.closed)
    assert two.said == ["a second copy of it is connected from one"]
    assert not one.closed


async def test_so_is_one_while_the_first_is_not_read(far, connect, quick, until):
    one = connect("one")
    one.paused = one.reached = True
    two = connect("two", opening=2)
    await until(lambda: two.closed)
    assert not one.closed


async def test_one_that_is_not_read_and_half_open_is_closed(far, connect, quick, until):
    one = connect("one")
    one.paused = True
    two = connect("two", opening=2)
    await until(lambda: two.said)
    assert (one.closed, one.reason, two.said) == (True, module.SILENT, [Have({})])


async def test_a_first_one_that_does_not_answer_is_closed(far, connect, quick, until):
    one = connect("one")
    two = connect("two", opening=2)
    await until(lambda: two.said)
    assert (one.closed, one.reason, two.said) == (True, module.SILENT, [Have({})])


async def test_or_goes_by_itself(far, connect, quick, until):
    one = connect("one")
    two, three = connect("two", opening=2), connect("three", opening=3)
    one.close("gone")
    three.close("gone")
    await until(lambda: two.said)
    assert two.said == [Have({})]


async def test_refusals_are_said_before_the_acknowledgement(far, connect):
    one = connect("one", Target((Box(1),)))
    one.hear(Next(1, 1))
    one.sink.feed(run([1, 2]))
    one.sink.refused("too-big")
    assert one.said[1:] == [Nack(1, 2, 1, "full"), Nack(1, 3, 1, "too-big"), Ack(1, 3)]
    one.close("too big")
    again = [Nack(1, 2, 1, "full"), Nack(1, 3, 1, "too-big")]
    assert connect("two").said == [Have({1: 3}), *again, Ack(1, 3)]


async def test_what_came_before_is_not_refused_for_its_size(far, connect):
    """A reload has made the limit smaller: the number of the next new message is not that of it."""
    one = connect("one")
    one.hear(Next(1, 1))
    one.sink.feed(run([1, 2, 3]))
    one.close("cut")
    two = connect("two")
    two.hear(Next(1, 2))
    two.sink.feed(run([2]))
    two.sink.refused("too-big")  # 3, which is here
    two.close("too big")
    three = connect("three")
    assert three.said == [Have({1: 3}), Ack(1, 3)]
    three.hear(Next(1, 3))
    three.sink.feed(run([3]))
    three.sink.refused("too-big")
    assert three.said[2:] == [Nack(1, 4, 1, "too-big"), Ack(1, 4)]


async def test_what_is_told_between_connections_is_said_to_the_next_one(far, connect):
    one = connect("one")
    one.hear(Next(1, 1))
    link = one.sink.link
    _, [receipt] = link.handed(2, 1)
    one.close("cut")
    receipt(1, "safe")
    receipt(1, "old")
    two = connect("two")
    await turn()
    assert two.said == [Have({1: 2}), Nack(1, 2, 1, "old"), Ack(1, 2)]


async def test_a_link_is_forgotten_when_its_source_says_so(far, connect):
    one = connect("one")
    one.hear(Next(1, 1))
    one.hear(Forget())
    one.sink.command(b"ODD", b"")
    assert len(far.links) == 1
    one.close("done")
    assert len(far.links) == 0
    assert far.find(one) is None
    assert connect("two").said == [Have({})]
