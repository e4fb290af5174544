"""Messages whose type a function finds: the same fates, counts and stops as in CC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.keyed import KeyedIngress, end_of
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, BROKEN, COMMAND, MORE, TIRED, TOO_BIG
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Deliver, Forward
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import boundaries, command, pack, unpack

LIMITS = (1000, 20)


def first_word(data: bytes, start: int, end: int) -> bytes:
    body = unpack(data[start:end])[0]
    return b"job." + body.partition(b" ")[0]


class Notices:
    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def unrouted(self, *about: object) -> None:
        self.seen.append(("unrouted", *about))

    def malformed(self, *about: object) -> None:
        self.seen.append(("malformed", *about))

    def failed(self, *about: object) -> None:
        self.seen.append(("failed", *about))


class Handler:
    exclusive = False

    def __init__(self, name, verdict):
        self.name = name
        self.verdict = verdict
        self.messages = []

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        self.messages.append(message)


def make(tired=bool, **verdicts):
    switch = Switch(CODEC, Notices())
    handlers = {f"h:{name}": Handler(f"h:{name}", verdict) for name, verdict in verdicts.items()}
    switch.configure(Routes([(f"job.{name}", (f"h:{name}",)) for name in verdicts]), handlers, {})
    input = PeerInput(MessageSource(b"me", "peer", "in"), LIMITS, tired)
    return KeyedIngress(switch, input, first_word), switch, handlers


def test_each_message_gets_its_type_and_keeps_its_frames():
    box = Outbox("box", Limits())
    ingress, switch, handlers = make(a=Forward(box), b=Deliver())
    data = pack([b"a 1", b""]) + pack([b"a 2"]) + pack([b"b", b"x", b"y"]) + pack([b"c"])
    assert ingress.feed(data) == (len(data), MORE, ())
    chunk = b"".join(box.peek(9))
    starts = [0, *boundaries(chunk)]
    found = [unpack(chunk[a:b]) for a, b in zip(starts, starts[1:], strict=False)]
    assert found == [[b"me", b"", b"job.a", b"a 1", b""], [b"me", b"", b"job.a", b"a 2"]]
    [seen] = handlers["h:b"].messages
    assert (seen.type, seen.route, seen.payload) == ("job.b", (b"me",), (b"b", b"x", b"y"))
    assert switch.ledger.fates == {"forwarded": 2, "consumed": 1, "unrouted": 1}
    assert switch.ledger.balance() == 0
    assert sum(switch.ledger.fate_bytes.values()) == switch.ledger.bytes
    assert switch.table.flows[b"job.a"].count == 2


def test_a_type_that_is_none_is_malformed():
    ingress, switch, _ = make()
    data = pack([b"\xff\xff x"])
    assert ingress.feed(data)[0] == len(data)
    assert switch.ledger.fates == {"malformed": 1}


def test_it_stops_where_a_peer_has_to_wait_or_others_get_their_turn():
    box = Outbox("box", Limits(bytes=10, policy="block"))
    ingress, switch, _ = make(tired=lambda: True, a=Forward(box), b=Deliver())
    one = pack([b"a 1"])
    assert ingress.feed(one * 3) == (3 * len(one), MORE, ())
    assert ingress.feed(one) == (0, BLOCKED, [box])
    two = pack([b"b"])
    assert ingress.feed(two * 3) == (len(two), TIRED, ())
    assert switch.ledger.received == 4 and switch.ledger.balance() == 0


@pytest.mark.parametrize(
    ("data", "stop"),
    [
        (command(b"PING", b"xx"), COMMAND),
        (pack([b"x" * 1001]), TOO_BIG),
        (pack([b""] * 21), BROKEN),
        (b"\x09\x00", BROKEN),
        (b"\x01\x00" + command(b"PING"), BROKEN),
    ],
)
def test_what_is_no_whole_message_stops_the_scan(data, stop):
    box = Outbox("box", Limits())
    ingress, _, _ = make(a=Forward(box))
    before = pack([b"a"])
    assert ingress.feed(before + data) == (len(before), stop, ())
    assert box.waiting == 1


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=4), max_size=6), st.data())
def test_a_message_is_found_whole_wherever_a_read_is_cut(messages, data):
    whole = b"".join(pack(frames) for frames in messages)
    cut = data.draw(st.integers(0, len(whole)))
    at = 0
    ends = list(boundaries(whole))
    while True:
        end, stop = end_of(whole[:cut], at, (10_000, 100))
        assert stop == MORE
        if end > cut:
            break
        assert end == ends.pop(0)
        at = end
        if at == cut:
            break
    assert not [end for end in ends if end <= cut]
