"""The sockets that get answers: their roles, and what their status says."""

import pytest

from ccproxy import Context
from ccproxy.core.answers import AnswerIngress, RequestIngress
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput, Run
from ccproxy.testing import options_for
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.zmq.calling import DealerSocket, ReqSocket
from ccproxy_handlers.zmq.handler import Zmq

SERVICE = MessageSource(b"1", "peer", "h:out")


class Calls(Context):
    def __init__(self):
        self.departures = []
        self.periods = []
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def every(self, seconds, call):
        self.periods.append((seconds, call))

    def count(self, name, amount=1):
        self.counted = name, amount

    def on_departure(self, call):
        self.departures.append(call)


def make(kind, word, more=""):
    text = f"socket = {word}\nconnect = tcp://127.0.0.1:1\nidentity = me\n{more}"
    return kind("h:out", options_for(Zmq, text), Calls())


@pytest.mark.parametrize(
    ("kind", "word", "ingress"),
    [(DealerSocket, "dealer", AnswerIngress), (ReqSocket, "req", RequestIngress)],
)
def test_answers_come_in_and_an_identity_goes_where_we_connect(kind, word, ingress):
    socket = make(kind, word)
    socket.joined(b"1", Outbox("peer", Limits(9, 9, "block")))
    for role in (socket.listener_role(), socket.link_role()):
        assert role.socket == word.upper().encode()
        assert isinstance(role.ingress(None, PeerInput(SERVICE, (9, 9))), ingress)
    assert socket.link_role().identity == b"me"


def test_a_name_is_free_when_its_peer_is_gone():
    socket = make(DealerSocket, "dealer")
    me = MessageSource(b"\0\0\0\0\1", "peer", "in", b"me", box=Outbox("me", Limits()))
    socket.sink.take(Run(me, 1, payloads=pack([b"?"]), head=b"\1\0"))
    assert socket.sink.backlog.first() == (pack([b"me", b"?"]), 0)
    [departed] = socket.ctx.departures
    departed(me.identity)
    assert socket.askers.way_back(b"me", {}) is None


@pytest.mark.parametrize("resend", [False, True])
def test_a_request_whose_service_goes_is_lost_or_sent_again(resend):
    socket = make(ReqSocket, "req", f"resend = {'yes' if resend else 'no'}")
    box = Outbox("peer", Limits(99, 9, "block"))
    socket.sink.take(Run(None, 1, envelopes=pack([b"asker", b"", b"call", b"?"])))
    socket.joined(b"1", box)
    box.advance(box.bytes)
    socket.left(b"1", box)
    found = socket.status()
    assert (found["lost"], found["returned"], found["waiting"]) == (not resend, resend, resend)


@pytest.mark.parametrize("resend", [False, True])
def test_a_request_without_an_answer_in_time_is_given_up_or_sent_again(resend):
    more = f"answer-timeout = 2 s\nresend = {'yes' if resend else 'no'}"
    socket = make(ReqSocket, "req", more)
    [(period, look)] = socket.ctx.periods
    assert period == 0.2
    silent, other = (Outbox(name, Limits(99, 9, "block")) for name in ("silent", "other"))
    socket.joined(b"1", silent)
    socket.sink.take(Run(None, 1, envelopes=pack([b"asker", b"", b"call", b"?"])))
    silent.advance(silent.bytes)
    look()
    socket.joined(b"2", other)
    socket.ctx.seconds = 2.0
    look()
    assert socket.ctx.counted == ("requests.unanswered", 1)
    assert (socket.status()["unanswered"], socket.status()["lost"]) == (1, 0)
    assert other.waiting == silent.waiting + resend
    socket.left(b"1", silent)
    assert socket.status()["lost"] == 0


def test_without_a_time_for_answers_nothing_is_looked_at():
    assert not make(ReqSocket, "req").ctx.periods
