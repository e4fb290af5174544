"""The rule of the responder proxy, without sockets: what goes where, and how each message ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.cameo.peers import PeerTable
from ccproxy_handlers.cameo.responder import STEP, ResponderIngress

LIMITS = (1 << 20, 100)
NO_LIMITS = Limits()


class Undelivered:
    def __init__(self):
        self.lines = []

    def undelivered(self, sender, address, messages):
        self.lines.append((sender, address, messages))

    def too_short(self, sender, messages):
        self.lines.append((sender, "short", messages))


class Proxy:
    """A switch, peers with names, and their inputs."""

    def __init__(self, *names, limits=NO_LIMITS, tired=bool):
        self.switch = Switch(CODEC, None)
        self.table = PeerTable()
        self.losses = Undelivered()
        self.boxes = {}
        self.inputs = {}
        for name in names:
            self.boxes[name] = box = Outbox(name.decode(), limits)
            source = MessageSource(name, "at " + name.decode(), "h:x", name, box=box)
            table = (self.table, self.table.enter(source, 0.0), self.losses)
            self.inputs[name] = ResponderIngress(
                self.switch, PeerInput(source, LIMITS, tired), table
            )

    def feed(self, name, *messages):
        return self.inputs[name].feed(b"".join(map(pack, messages)))

    def sent(self, name):
        return b"".join(self.boxes[name].peek(1000))

    @property
    def fates(self):
        assert self.switch.ledger.balance() == 0
        assert sum(self.switch.ledger.fate_bytes.values()) == self.switch.ledger.bytes
        return +self.switch.ledger.fates


def test_the_address_becomes_the_sender_and_delimiters_empty():
    proxy = Proxy(b"0:0", b"client")
    request, answer = [b"x", b"0:0", b"y", b"1", b""], [b"", b"client", b"", b"2"]
    assert proxy.feed(b"client", request)[1] == MORE
    proxy.feed(b"0:0", answer, answer)
    assert proxy.sent(b"0:0") == pack([b"", b"client", b"", b"1", b""])
    assert proxy.sent(b"client") == 2 * pack([b"", b"0:0", b"", b"2"])
    assert proxy.fates == {"forwarded": 3} and proxy.losses.lines == []
    peers = proxy.table.peers
    assert (peers[b"0:0"].counts.received, peers[b"0:0"].counts.sent) == (1, 2)


def test_what_nobody_can_get_is_dropped_and_counted():
    proxy = Proxy(b"a")
    proxy.feed(b"a", [b"", b"R", b"", b"1"], [b"", b"", b"", b"1"], [b"", b"R", b"", b"2"])
    proxy.feed(b"a", [b"1"], [b"", b"a", b""], [b"", b"a", b"", b"3"])
    assert proxy.fates == {"gone": 3, "malformed": 2, "forwarded": 1}
    assert proxy.losses.lines == [("at a", b"R", 2), ("at a", b"", 1), ("at a", "short", 2)]
    assert proxy.sent(b"a") == pack([b"", b"a", b"", b"3"])


@pytest.mark.parametrize("delimiter", [b"", b"odd"])
def test_a_full_queue_takes_the_first_messages(delimiter):
    proxy = Proxy(b"a", b"b", limits=Limits(messages=2))
    proxy.feed(b"a", *([delimiter, b"b", b"", b"%d" % number] for number in range(5)))
    assert proxy.fates == {"forwarded": 2, "full": 3}
    assert proxy.table.peers[b"b"].counts.dropped == 3
    assert proxy.sent(b"b") == pack([b"", b"a", b"", b"0"]) + pack([b"", b"a", b"", b"1"])


def test_a_sender_waits_for_a_full_queue_that_blocks():
    proxy = Proxy(b"a", b"b", b"c", limits=Limits(messages=1, policy="block"))
    proxy.feed(b"a", [b"", b"b", b"", b"1"])
    before = proxy.fates
    done, stop, [box] = proxy.feed(b"a", [b"", b"c", b"", b"1"], [b"", b"b", b"", b"2"])
    assert (done, stop, box) == (0, BLOCKED, proxy.boxes[b"b"])
    assert proxy.fates == before and proxy.sent(b"c") == b""
    assert proxy.feed(b"a", [b"", b"gone", b"", b"1"])[1] == MORE


def test_many_messages_are_passed_on_in_steps():
    tired = []
    proxy = Proxy(b"a", b"b", tired=lambda: bool(tired))
    data = b"".join(pack([b"", b"b", b"", b"%d" % number]) for number in range(3 * STEP))
    assert proxy.inputs[b"a"].feed(data + b"\1")[:2] == (len(data), MORE)
    tired.append(1)
    done, stop, _ = proxy.inputs[b"a"].feed(data)
    assert 0 < done < len(data) and stop == TIRED
    assert proxy.fates == {"forwarded": 4 * STEP}


FRAME = st.binary(max_size=3)
ADDRESS = st.sampled_from([b"a", b"b", b"c", b"gone", b""])


@given(st.lists(st.tuples(FRAME, ADDRESS, FRAME, st.lists(FRAME, max_size=3))), st.integers(0, 2))
def test_every_message_has_one_fate_and_pairs_keep_their_order(messages, limit):
    proxy = Proxy(b"a", b"b", b"c", limits=Limits(messages=limit))
    raw = [[first, address, third, *rest] for first, address, third, rest in messages]
    proxy.feed(b"a", *raw)
    assert sum(proxy.fates.values()) == len(messages)
    for name in (b"a", b"b", b"c"):
        expected = [pack([b"", b"a", b"", *one[3:]]) for one in raw if one[1] == name and one[3:]]
        assert proxy.sent(name) == b"".join(expected[: limit or None])
