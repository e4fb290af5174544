"""Links of a test: what was sent can be taken, what comes back can be given."""

import pytest

from ccproxy import LinkOptions
from ccproxy.testing import message
from ccproxy.testing.links import CODEC, FakeLink, FakeWire
from ccproxy.wire.zmtp.frames import pack


def test_what_waits_is_taken_in_order_and_counts_as_sent():
    link = FakeLink("tcp://a:1", LinkOptions(), None)
    for type in (b"a", b"b"):
        link.outbox.offer(pack([b"", type, *CODEC.encode(type.decode(), {"x": 1}, None)]), 1)
    assert [one.type for one in link.take()] == ["a", "b"]
    assert (link.outbox.sent, link.outbox.waiting, link.take()) == (2, 0, [])


def test_the_far_side_answers_and_changes_its_state():
    seen = []
    link = FakeLink("tcp://a:1", LinkOptions(), lambda message: seen.append(message.type))
    link.on_state(seen.append)
    link.receive(message("pong"))
    link.become("gone")
    assert seen == ["pong", "gone"] and link.state == "gone"
    with pytest.raises(AssertionError, match="does not listen"):
        FakeLink("tcp://b:1", LinkOptions(), None).receive(message("pong"))


def test_a_wire_keeps_what_is_written_until_it_is_closed():
    wire = FakeWire("tcp://a:1", None)
    assert wire.write(b"a") and wire.send([b"b", b"c"])
    wire.close()
    assert not wire.write(b"d")
    assert wire.written == [b"a", b"bc"]
