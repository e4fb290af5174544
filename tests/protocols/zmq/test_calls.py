"""Requests to ROUTER and REP sockets: what handlers and sinks see, and what answers get back."""

import pytest

from ccproxy import Reply
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given
from ccproxy.core.verdict import Deliver, Forward
from ccproxy.core.walk import cut
from ccproxy.protocols.zmq.calls import RepIngress, RouterIngress, delimited
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.replies import PayloadReplies, RepReplies
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack, unpack


class Notices:
    def __init__(self):
        self.bad = []

    def malformed(self, sender, raw, messages):
        self.bad.append(unpack(raw))


class Echo:
    exclusive = False
    name = "h:x"

    def __init__(self, verdict):
        self.verdict = verdict

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        return Reply(message.type, {"seen": message.value()["a"]})


def make(kind, verdict, replies, tired=bool):
    switch = Switch(CODEC, Notices())
    switch.configure(Routes([("call", ("h:x",))]), {"h:x": Echo(verdict)}, {})
    box = Outbox("peer", Limits())
    switch.peers[b"me"] = replies(box)
    source = MessageSource(b"me", "peer", "in", b"", box=box)
    return kind(switch, PeerInput(source, (1000, 20), tired), Given(b"call", FRAMES)), switch, box


def content(box):
    return [unpack(one) for one in cut(b"".join(map(bytes, box.peek(1000))))]


@pytest.mark.parametrize(
    ("kind", "replies", "front"),
    [
        (RouterIngress, PayloadReplies, []),
        (RouterIngress, PayloadReplies, [b""]),
        (RepIngress, RepReplies, [b""]),
        (RepIngress, RepReplies, [b"one", b"two", b""]),
    ],
)
def test_a_handler_answers_what_stands_behind_the_delimiter(kind, replies, front):
    ingress, switch, box = make(kind, Deliver(), replies)
    data = pack([*front, b'{"a":1}'])
    assert ingress.feed(data * 2) == (2 * len(data), MORE, ())
    assert content(box) == [[*front, b'{"seen":1}']] * 2
    assert switch.ledger.fates == {"replied": 2} and switch.ledger.balance() == 0


def test_sinks_get_the_route_of_a_rep_client_and_what_is_none_is_refused():
    sink = Outbox("link", Limits(bytes=40, policy="block"))
    ingress, switch, _ = make(RepIngress, Forward(sink), RepReplies)
    bad = [[b"no", b"delimiter"], [b"no body", b""], [b""]]
    good = pack([b"a", b"", b"x", b""])
    data = b"".join(map(pack, bad)) + good
    assert ingress.feed(data * 2)[:2] == (2 * len(data), MORE)
    assert content(sink) == [[b"me", b"a", b"", b"call", b"x", b""]] * 2
    assert switch.notices.bad == bad * 2
    assert switch.ledger.fates == {"malformed": 6, "forwarded": 2}
    assert ingress.feed(data) == (0, BLOCKED, [sink])


class Meeting(Outbox):
    """A sink that takes runs, and wants to know its senders."""

    def take(self, run):
        return [("forwarded", run.messages)]

    def meet(self, source):
        self.met = source


@pytest.mark.parametrize(
    ("kind", "replies"), [(RouterIngress, PayloadReplies), (RepIngress, RepReplies)]
)
def test_a_peer_is_known_where_its_messages_go_before_it_sends_any(kind, replies):
    sink = Meeting("out", Limits())
    _, _, box = make(kind, Forward(sink), replies)
    assert (sink.met.identity, sink.met.box) == (b"me", box)


def test_it_ends_a_read_when_handlers_took_long():
    ingress, *_ = make(RepIngress, Deliver(), RepReplies, tired=lambda: True)
    one = pack([b"", b'{"a":1}'])
    assert ingress.feed(one * 3) == (len(one), TIRED, ())


def test_where_a_body_begins():
    assert delimited(pack([b"", b"x"])) == 2
    assert delimited(pack([b"ab", b"", b"", b"x"])) == 6
    assert delimited(pack([b"ab", b""])) == delimited(pack([b"x"])) == 0


def test_an_answer_without_frames_is_an_empty_one():
    replies = RepReplies(Outbox("peer", Limits()))
    assert replies.plain(pack([b"a", b"", b"call"])) == pack([b"a", b"", b""])
