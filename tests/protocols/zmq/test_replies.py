"""Answers to peers whose messages carry no type."""

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import Sink
from ccproxy.net.zmtp.role import no_answers
from ccproxy.protocols.zmq.replies import PayloadReplies
from ccproxy.wire.zmtp.frames import pack


def test_the_envelope_is_taken_off():
    box = Outbox("peer", Limits(bytes=10, policy="block"))
    sink = PayloadReplies(box)
    assert isinstance(sink, Sink) and sink.may_block and not sink.blocked
    heard = []
    chunk = pack([b"", b"job", b"done", b""]) + pack([b"far", b"", b"job", b"2"])
    assert sink.offer(chunk, 2, lambda *outcome: heard.append(outcome)) == 2
    assert b"".join(box.peek(9)) == pack([b"done", b""]) + pack([b"2"])
    assert heard == [(2, "taken")] and sink.blocked and sink.name == "peer"
    woken = []
    sink.wait(lambda: woken.append(1))
    box.advance(9)
    assert woken == [1]


def test_some_sockets_take_no_answers():
    assert no_answers(Outbox("peer", Limits())) is None
