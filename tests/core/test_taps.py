"""Taps: what they see of messages of every kind, what they miss, and that they change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.flows import Target
from ccproxy.core.ingress import Ingress, ReplyIngress
from ccproxy.core.message import Message
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.switch import Switch
from ccproxy.core.taps import (
    KEPT,
    MOST_MESSAGES,
    Passing,
    Places,
    Tap,
    frames_of,
    no_frames,
    type_of,
)
from ccproxy.core.typed import Given, TopicIngress, TypedIngress
from ccproxy.core.verdict import Deliver, Discard, Forward
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack, unpack

INPUT = PeerInput(MessageSource(b"\0peer", "ann@10.0.0.7:5", "listen:x"), (100_000, 100))
PLACES = Places(("h:a",), "discarded")


class Notices:
    def __init__(self):
        self.said = []

    def __getattr__(self, name):
        return lambda *facts: self.said.append((name, *facts[:2]))


class Handler:
    exclusive = False

    def __init__(self, name, verdict):
        self.name, self.verdict, self.seen = name, verdict, 0

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        self.seen += 1
        if message.payload == (b"bad",):
            raise ValueError("on purpose")


def switch_of(**verdicts):
    """A switch with a route and a handler for each of these names."""
    switch = Switch(CODEC, Notices())
    handlers = {f"h:{name}": Handler(f"h:{name}", one) for name, one in verdicts.items()}
    routes = Routes([(name, (f"h:{name}",)) for name in verdicts])
    switch.configure(routes, handlers, {})
    return switch


def box(messages=0):
    return Outbox("h:far 1.2.3.4", Limits(messages=messages))


def tap(switch, *wanted, **options):
    """A tap that is on, for flows that are there as well."""
    made = Tap(*wanted, **options)
    switch.table.tap((*switch.table.taps, made))
    switch.table.retarget(list(switch.table.flows))
    return made


def passing(count=1, peer="", listener="l", messages=None):
    made = messages or (lambda: [b"m%d" % number for number in range(count)])
    return Passing(listener, peer, PLACES, count, made, "t")


@pytest.mark.parametrize(
    ("prefix", "type", "wanted"),
    [("*", "a", True), ("a", "a", True), ("a", "a.b", True), ("a", "ab", False),
     ("a.b", "a", False), ("a.b", "a.b.c", True), ("b", "a.b", False)],
)  # fmt: skip
def test_the_rule_of_routes(prefix, type, wanted):
    assert Tap(prefix).wants(type, PLACES) == wanted


def test_only_what_goes_to_a_section():
    assert Tap("*", to="h:a").wants("t", PLACES)
    assert not Tap("*", to="h:b").wants("t", PLACES)


@pytest.mark.parametrize(
    ("peer", "seen"),
    [("", 1), ("l", 1), ("ann", 1), ("10.0.0.7", 1), ("10.0.0.7:5", 1), ("ann@10.0.0.7:5", 1),
     ("bob", 0), ("10.0.0", 0), ("10.0.0.7:50", 0)],
)  # fmt: skip
def test_only_what_comes_from_a_peer(peer, seen):
    one = Tap("*", peer)
    one.see(passing(peer="ann@10.0.0.7:5"))
    messages, missed = one.take()
    assert (len(messages), missed) == (seen, 0)


@given(st.lists(st.one_of(st.integers(0, 2 * MOST_MESSAGES), st.none()), max_size=20))
def test_each_message_is_held_or_missed_and_never_more_than_there_is_room(steps):
    one, seen, told = Tap("*"), 0, 0
    for step in steps:
        if step is None:
            messages, missed = one.take()
            assert len(messages) <= MOST_MESSAGES
            told += len(messages) + missed
        else:
            one.see(passing(step))
            seen += step
    messages, missed = one.take()
    assert told + len(messages) + missed == seen


def test_a_message_without_room_is_not_looked_at():
    def looked():
        raise AssertionError("a tap that is full looks at no message")

    one = Tap("*")
    one.see(passing(MOST_MESSAGES))
    one.see(passing(7, messages=looked))
    assert one.take()[1] == 7


def test_only_the_first_bytes_are_held():
    one = Tap("*")
    one.see(passing(messages=lambda: [memoryview(bytes(10 * KEPT))]))
    [found], _ = one.take()
    assert (found.size, type(found.start), len(found.start)) == (10 * KEPT, bytes, KEPT)


def test_a_closed_tap_sees_nothing():
    one = Tap("*")
    one.closed = True
    one.see(passing())
    assert one.take() == ([], 0) and not one.wants("t", PLACES)


CC = [
    [b"", b"far.x", b"1"], [b"", b"far.y"], [b"", b"see", b"bad"], [b"", b"see", b"2"],
    [b"", b"off"], [b"", b"nowhere", b"3"], [b"", b"far.x", b"4"], [b"x"],
]  # fmt: skip


def run_cc(tapped):
    """Everything that becomes of some messages of CC, with a tap or without."""
    outbox = box(messages=2)
    switch = switch_of(far=Forward(outbox), see=Deliver(), off=Discard("because"))
    found = tap(switch, "*") if tapped else None
    ingress = Ingress(switch, INPUT)
    for data in (b"".join(map(pack, CC)), pack(CC[0])):
        assert ingress.feed(data)[0] == len(data)
    counts = {name: (flow.count, flow.bytes) for name, flow in switch.table.flows.items()}
    facts = (
        switch.ledger.received, switch.ledger.fates, switch.ledger.fate_bytes, counts,
        dict(outbox.dropped), outbox.waiting, switch.notices.said,
        {name: one.messages for name, one in switch.table.totals.types.items()},
    )  # fmt: skip
    return facts, found


def test_a_tap_on_cc_changes_nothing_and_sees_all_that_has_a_type():
    without, _ = run_cc(False)
    facts, found = run_cc(True)
    assert facts == without
    assert facts[1] == {"forwarded": 2, "full": 2, "consumed": 1, "failed": 1, "discarded": 1,
                        "unrouted": 1, "malformed": 1}  # fmt: skip
    messages, missed = found.take()
    assert (missed, {(one.listener, one.peer, one.type) for one in messages}) == (
        0,
        {("listen:x", "ann@10.0.0.7:5", "")},
    )
    assert [unpack(one.start) for one in messages] == [*CC[:-1], CC[0]]
    assert [one.places for one in messages[1:6:2]] == [
        Places(("h:far",), "discarded"), Places(("h:see",), "discarded"), Places((), "unrouted"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [TypedIngress, TopicIngress])
@pytest.mark.parametrize("word", ["far", "see", "off", "nowhere"])
def test_a_tap_on_messages_whose_listener_gives_the_type(kind, word):
    bodies = [[b"a", b"1"], [b"b"], [b"a", b"bad"]]

    def run(tapped):
        outbox = box(messages=2)
        switch = switch_of(far=Forward(outbox), see=Deliver(), off=Discard("because"))
        found = tap(switch, word) if tapped else None
        ingress = kind(switch, INPUT, Given(word.encode()))
        data = b"".join(map(pack, bodies))
        assert ingress.feed(data)[0] == len(data)
        ledger = switch.ledger
        return (ledger.received, ledger.fates, outbox.waiting, switch.notices.said), found

    without, _ = run(False)
    facts, found = run(True)
    assert facts == without
    messages, missed = found.take()
    assert missed == 0
    assert sorted(unpack(one.start) for one in messages) == sorted(bodies)
    types = {one.type for one in messages}
    assert types == ({f"{word}.a", f"{word}.b"} if kind is TopicIngress else {word})


def test_a_tap_on_a_publisher_leaves_unsubscribed_what_nobody_wants():
    for ingress_of in (
        lambda switch: TypedIngress(switch, INPUT, Given(b"bus")),
        lambda switch: Ingress(switch, INPUT),
    ):
        switch = switch_of(bus=Forward(Publisher("h:subscribers")))
        found = tap(switch, "bus")
        ingress_of(switch).feed(pack([b"", b"bus", b"1"]) * 3)
        assert switch.ledger.fates == {"unsubscribed": 3}
        messages, _ = found.take()
        assert [one.places.sections for one in messages] == [("h:subscribers",)] * 3


def test_values_of_other_protocols_are_seen_without_frames():
    switch = switch_of(calc=Deliver())
    found = tap(switch, "calc")
    assert switch.take(Message("calc.add", (b"p",), (1,), CODEC, "listen:calc", length=30)) == (
        "consumed"
    )
    [one], _ = found.take()
    assert (one.listener, one.type, one.size, one.start) == ("listen:calc", "calc.add", 30, b"")
    assert list(no_frames()) == [b""]


def test_a_tap_that_is_put_on_later_and_taken_off_again():
    """Flows keep their counts, and what remembers a flow learns that it has changed."""
    switch = switch_of(far=Forward(box()))
    ingress = Ingress(switch, INPUT)
    data = pack([b"", b"far.x", b"1"])
    ingress.feed(data)
    first = switch.table.flows[b"far.x"]
    plain = first.target
    found = tap(switch, "far.x")
    second = switch.table.flows[b"far.x"]
    assert first.gone and not second.gone and second.count == 1
    ingress.feed(data)
    assert len(found.take()[0]) == 1 and second.count == 2
    switch.table.tap(())
    switch.table.retarget([b"far.x", b"unknown"])
    third = switch.table.flows[b"far.x"]
    assert second.gone and third.target is plain and third.count == 2
    ingress.feed(data)
    assert found.take() == ([], 0)


def test_what_no_tap_wants_costs_what_it_cost_before():
    switch = switch_of(far=Forward(box()), other=Forward(box()))
    tap(switch, "other")
    target = switch.miss(b"far.x").target
    assert (target.taps, target.untapped, target.indirect) == ((), None, False)


def test_types_with_the_same_taps_share_a_target():
    """So that a mixed stream is still passed on in whole runs."""
    switch = switch_of(far=Forward(box()))
    first, second = tap(switch, "far"), tap(switch, "*")
    one, two = (switch.miss(name).target for name in (b"far.x", b"far.y"))
    assert one is two and one.taps == (first, second)
    assert isinstance(one, Target) and one.sinks == one.untapped.sinks


def test_types_that_are_made_up_take_no_memory_while_a_tap_is_on():
    switch = Switch(CODEC, Notices(), flow_limit=10)
    found = tap(switch, "*")
    for number in range(100):
        assert switch.miss(b"made.up%d" % number).target.taps == (found,)
    assert len(switch.table.flows) == 10 and not switch.table._tapped


def test_rights_hold_for_flows_that_were_replaced():
    switch = switch_of(far=Forward(box()))
    view: dict = {}
    switch.table.views.append(view)
    view[b"far.x"] = switch.miss(b"far.x")
    tap(switch, "far")
    assert view[b"far.x"] is switch.table.flows[b"far.x"]


# Replies over a link


def reply(identity, *frames):
    return pack([identity, *frames])


def test_replies_are_seen_on_their_way_to_a_peer():
    switch = switch_of()
    switch.peers[b"one"] = Outbox("ccserver 1.2.3.4:5", Limits())
    found, other = tap(switch, "job"), tap(switch, "data")
    link = ReplyIngress(switch, "h:far", (1 << 20, 100), None)
    link.feed(
        reply(b"one", b"", b"job.done", b"1") + reply(b"one", b"hop", b"", b"job.x", bytes(9000))
        + reply(b"one", b"", b"data") + reply(b"gone", b"", b"job.late")
    )  # fmt: skip
    first, second, late = found.take()[0]
    seen = [type_of(one.start) for one in (first, second, late)]
    assert seen == ["job.done", "job.x", "job.late"]
    assert (first.listener, first.places) == ("h:far", (("ccserver",), "gone"))
    assert second.size > 9000 and len(second.start) == KEPT
    assert late.places == ((), "gone")
    assert [type_of(one.start) for one in other.take()[0]] == ["data"]
    assert switch.ledger.fates == {"replied": 3, "gone": 1}


def test_a_reply_for_the_link_itself_goes_to_its_section():
    switch = switch_of()
    found = tap(switch, "*", to="h:far")
    ReplyIngress(switch, "h:far", (1 << 20, 100), lambda message: None).feed(
        reply(b"", b"pong", b"{}")
    )
    [seen] = found.take()[0]
    assert seen.places.sections == ("h:far",)
    assert type_of(seen.start) == "pong"
    assert switch.ledger.balance() == 0


@pytest.mark.parametrize("raw", [b"", b"\0", pack([b"a", b"b"]), pack([b"a", b""])])
def test_what_has_no_type(raw):
    assert type_of(raw) == ""


@pytest.mark.parametrize("size", [0, 3, 255, 256, 5000])
def test_frames_of_the_first_bytes(size):
    frames = [b"one", bytes(size), b"", b"last"]
    data = pack(frames)
    assert frames_of(data) == frames
    for end in range(0, len(data), 7):
        assert b"".join(frames).startswith(b"".join(frames_of(data[:end])))
