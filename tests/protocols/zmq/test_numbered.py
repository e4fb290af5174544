"""Numbered messages to PULL and ROUTER: acknowledged, skipped if they came before, refused."""

import pytest

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.flows import Target
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.spans import cut
from ccproxy.core.stops import BLOCKED, COMMAND, MORE
from ccproxy.core.typed import Given
from ccproxy.protocols.zmq.codec import DELIMITED, FRAMES
from ccproxy.protocols.zmq.numbered import NumberedPull, NumberedRouter
from ccproxy.wire.zmtp import ZmtpError, command
from ccproxy.wire.zmtp.delivery import Nack, SourceId
from ccproxy.wire.zmtp.frames import pack, unpack
from tests.core.delivery.test_numbered import EPOCH, SOURCE, Pool, store
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch


def made(target, kind=NumberedPull, first=1):
    switch, link = FakeSwitch(target), RememberedLink(SOURCE)
    link.begin(SOURCE, "peer", "listener")
    source = MessageSource(PEER, "1.2.3.4:5", "listen:x")
    ingress = kind(switch, PeerInput(source, BOUNDS), link, Given(b"job", FRAMES))
    if first:
        link.announced(MessageNumber(EPOCH, first))
    return ingress, link, switch


def payloads(*names):
    return b"".join(pack([name, b"x"]) for name in names)


def test_a_message_before_its_number_ends_the_connection():
    ingress, _, _ = made(Target((Box(9),)), first=0)
    assert ingress.feed(command(b"NEXT"))[1] == COMMAND
    with pytest.raises(ZmtpError, match="a message before its number"):
        ingress.feed(payloads(b"1"))


def test_sinks_get_the_type_in_front_and_what_is_full_is_refused():
    box = Box(2)
    ingress, link, switch = made(Target((box,)), first=5)
    assert ingress.feed(payloads(b"1", b"2", b"3"))[1] == MORE
    assert unpack(next(iter(cut(box.chunks[0])))) == [PEER, b"", b"job", b"1", b"x"]
    assert link.tracker.acknowledged == (EPOCH, 7)
    assert link.tracker.take_refusals() == [Nack(EPOCH, 7, 1, "full")]
    assert switch.fates() == {"forwarded": 2, "full": 1}


def test_distributors_get_payloads():
    ingress, link, switch = made(Target((Pool(2),)))
    ingress.feed(payloads(b"1", b"2", b"3"))
    assert link.tracker.take_refusals() == [Nack(EPOCH, 3, 1, "full")]
    assert switch.fates() == {"forwarded": 2, "full": 1}


def test_a_destination_that_confirms_is_waited_for():
    sink = store()
    ingress, link, _ = made(Target((sink,)))
    ingress.feed(payloads(b"1", b"2"))
    assert link.tracker.acknowledged is None
    sink.fetch(1000)
    sink.release(MessageNumber(9, 1))
    assert link.tracker.acknowledged == (EPOCH, 1)


def test_what_came_before_is_skipped():
    box = Box(9)
    ingress, link, switch = made(Target((box,)))
    ingress.feed(payloads(b"1", b"2"))
    link.begin(SourceId(SOURCE.link, EPOCH), "peer", "listener")
    link.announced(MessageNumber(EPOCH, 2))
    ingress.feed(payloads(b"2", b"3"))
    assert (link.duplicates, switch.fates()) == (1, {"forwarded": 3, "duplicate": 1})
    assert link.next == (EPOCH, 4)


def test_a_source_waits_while_too_much_is_incomplete(monkeypatch):
    ingress, link, _ = made(Target((Box(9),)))
    monkeypatch.setattr(type(link.tracker), "blocked", True)
    assert ingress.feed(payloads(b"1")) == (0, BLOCKED, (link.tracker,))


@pytest.mark.parametrize("kind", [NumberedPull, NumberedRouter])
def test_handlers_see_the_number_of_each_message(monkeypatch, kind):
    ingress, link, switch = made(Target(handlers=("consumed",)), kind, first=7)
    seen = []
    monkeypatch.setattr(switch, "deliver", lambda name, message: seen.append(message) or name)
    ingress.feed(payloads(b"1") + payloads(b"2"))
    assert [one.delivery[:3] for one in seen] == [
        (SOURCE.link, EPOCH, 7),
        (SOURCE.link, EPOCH, 8),
    ]
    assert [(one.type, one.payload) for one in seen] == [
        ("job", (b"1", b"x")),
        ("job", (b"2", b"x")),
    ]
    assert (link.tracker.acknowledged, switch.fates()) == ((EPOCH, 8), {"consumed": 2})


def test_what_leads_nowhere_is_acknowledged_and_what_is_wrong_is_refused():
    ingress, link, switch = made(Target(fate="unrouted", reason="job"))
    ingress.feed(payloads(b"1"))
    assert (link.tracker.acknowledged, switch.fates()) == ((EPOCH, 1), {"unrouted": 1})
    ingress, link, switch = made(Target(fate="refused", reason="allow:x"))
    ingress.feed(payloads(b"1"))
    assert link.tracker.take_refusals() == [Nack(EPOCH, 1, 1, "refused")]


def test_the_frames_of_a_request_are_those_behind_its_empty_one(monkeypatch):
    ingress, _, switch = made(Target(handlers=("consumed",)), NumberedRouter)
    seen = []
    monkeypatch.setattr(switch, "deliver", lambda name, message: seen.append(message) or name)
    ingress.feed(pack([b"", b"what"]))
    assert (seen[0].payload, seen[0].codec) == ((b"", b"what"), DELIMITED)
