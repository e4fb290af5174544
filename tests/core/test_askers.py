"""The frame that leads an answer back: a name, or an envelope that any number of servers keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.askers import Askers, answers, envelope_of, enveloped
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, Run
from ccproxy.core.walk import cut
from ccproxy.wire.zmtp.frames import pack, unpack

FRAME = st.binary(max_size=300)
MESSAGES = st.lists(st.lists(FRAME, min_size=1, max_size=3), min_size=1, max_size=4)


def source(identity=b"\0\0\0\0\1", routing_id=b"me", answers=True):
    box = Outbox("peer", Limits()) if answers else None
    return MessageSource(identity, "peer", "in", routing_id, box=box)


def run(source, *messages, stack=b""):
    head = pack([source.identity, b"", b"call", b""])[:-2]
    made = Run(source, len(messages), payloads=b"".join(map(pack, messages)), head=head)
    made.stack = stack
    return made


def frames(chunk):
    return [unpack(one) for one in cut(chunk)]


@given(MESSAGES)
def test_a_sender_is_named_as_by_a_proxy(messages):
    askers, me = Askers(), source()
    assert frames(askers.named(run(me, *messages))) == [[b"me", *one] for one in messages]
    assert askers.way_back(b"me", {}) == (me.box, b"")


def test_what_a_rep_client_put_in_front_stays():
    chunk = Askers().named(run(source(), [b"a"], stack=pack([b"x", b"", b""])[:-2]))
    assert frames(chunk) == [[b"me", b"x", b"", b"a"]]


def test_a_client_that_has_asked_nothing_is_known():
    askers, me, again = Askers(), source(), source(b"\0\0\0\0\2")
    askers.meet(source(answers=False))
    assert askers.way_back(b"me", {}) is None
    askers.meet(me)
    assert askers.way_back(b"me", {}) == (me.box, b"")
    askers.meet(again)  # the same name at the same listener: the old connection is about to go
    askers.forget(me.identity)
    assert askers.way_back(b"me", {}) == (again.box, b"")
    askers.meet(me._replace(listener="other"))
    assert askers.way_back(b"me", {}) == (again.box, b"")


def test_a_name_has_one_asker_at_a_time():
    askers, me, other = Askers(), source(), source(b"\0\0\0\0\2")
    askers.named(run(me, [b"a"]))
    [[name, _]] = frames(askers.named(run(other, [b"b"])))
    assert envelope_of(name) == (other.identity, pack([b"", b"call", b""])[:-2])
    askers.forget(b"unknown")
    askers.forget(me.identity)
    assert askers.way_back(b"me", {}) is None
    assert frames(askers.named(run(other, [b"c"]))) == [[b"me", b"c"]]


def test_a_sender_without_a_name_has_that_of_its_connection():
    me = source(routing_id=b"")
    assert frames(Askers().named(run(me, [b"a"]))) == [[me.identity, b"a"]]


@pytest.mark.parametrize("way", ["link", "cc", "pull"])
def test_others_have_envelopes(way):
    envelope = pack([b"one", b"two", b"", b"call", b"a"])
    found = Run(source() if way == "cc" else None, 1, envelopes=envelope)
    if way == "pull":
        found = run(source(b"one", answers=False), [b"a"])
    [[name, *rest]] = frames(Askers().named(found))
    assert rest == [b"a"] and name[0] == 0 and envelope_of(name)[0] == b"one"


@given(st.lists(FRAME.filter(len), min_size=1, max_size=3), st.lists(FRAME, max_size=2))
def test_an_envelope_leads_back(route, payload):
    chunk = enveloped(Run(None, 1, envelopes=pack([*route, b"", b"a.b", *payload])))
    [[name, *rest]] = frames(chunk)
    assert rest == (payload or [b""])
    box = Outbox("peer", Limits())
    askers = Askers()
    for _ in range(2):  # the second time it is remembered
        back = askers.way_back(name, {route[0]: box})
        assert back.sink is box
        expected = [*route[1:], b"", b"a.b", b"x"]
        assert frames(answers(back.head, pack([b"x"]))) == [expected]
    assert askers.way_back(name, {}) is None


@given(st.binary(max_size=40))
def test_no_name_of_a_service_is_taken_for_an_envelope_that_it_is_not(name):
    found = envelope_of(b"\0" + name)
    assert found is None or unpack(name + b"\0\0")[0] == found[0]


@pytest.mark.parametrize(
    "route", [[], [b""], [b"a"], [b"a", b""], [b"", b"type"], [b"a", b"x", b"type"],
              [b"a", b"", b"no type!"], [b"a", b"", b"b", b"", b"type"]],
)  # fmt: skip
def test_an_envelope_has_a_route_an_empty_frame_and_a_type(route):
    assert envelope_of(b"\0" + pack([*route, b""])[:-2]) is None


def test_few_envelopes_are_remembered(monkeypatch):
    monkeypatch.setattr("ccproxy.core.askers.REMEMBERED", 2)
    askers = Askers()
    for number in range(5):
        askers.way_back(b"\0" + pack([b"%d" % number, b"", b"call", b""])[:-2], {})
    assert len(askers._opened) <= 2
