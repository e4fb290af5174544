"""PUSH and DEALER whose far side acknowledges: the link, its store, and what cannot be."""

from types import SimpleNamespace

import pytest

from ccproxy import LinkOptions
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import RunOrigin
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pool import payloads_of
from ccproxy.core.runs import MessageSource, Run
from ccproxy.core.sinks import TAKEN
from ccproxy.net.zmtp.role import NoMessages
from ccproxy.testing import FakeLink, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack, unpack
from ccproxy_handlers.zmq.acknowledged import AcknowledgedDealer, AcknowledgedPush, AcknowledgedSink
from ccproxy_handlers.zmq.handler import Zmq

ONE_FAR_SIDE = "connect = tcp://h:1\ndelivery = acknowledged\nsocket ="
RAW = pack([b"peer", b"", b"job", b"1", b"x"])
PLAN = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=9), handlers=())


class StoringLink(FakeLink):
    """With a store in the place of its outbox."""

    def __init__(self):
        super().__init__("tcp://h:1", LinkOptions(), None)
        self.sink = MemoryStore(Outbox("h:out", Limits(1 << 20, 2)), b"L" * 16, 5)


def test_messages_wait_in_the_form_in_which_they_are_sent():
    link = StoringLink()
    sink = AcknowledgedSink(link, payloads_of)
    assert (sink.name, sink.may_block, sink.blocked) == ("h:out", False, False)
    assert sink.take(Run(None, 1, payloads=pack([b"0", b"x"]))) == (("forwarded", 1),)
    told = []
    receipt = lambda *one: told.append(one)  # noqa: E731
    assert sink.offer(RAW, 1, receipt) == 1
    assert sink.take(Run(None, 1, payloads=pack([b"2", b"x"]))) == (("full", 1),)
    runs = link.sink.fetch(1 << 20)
    assert [unpack(one.data) for one in runs] == [[b"0", b"x"], [b"1", b"x"]]
    assert told == []


def test_numbered_messages_of_another_link_are_taken_once():
    link, told = StoringLink(), []
    sink = AcknowledgedSink(link, payloads_of)
    for _ in range(2):
        origin = RunOrigin(b"M" * 16, 7, 1)
        assert sink.accept(RAW, 1, origin, lambda *one: told.append(one)) == 1
    assert (link.sink.waiting, link.sink.duplicates) == (1, 1)
    plain = FakeLink("tcp://h:1", LinkOptions(), None)
    sink = AcknowledgedSink(plain, payloads_of)
    assert sink.accept(RAW, 1, origin, lambda *one: told.append(one)) == 1
    assert told == [(1, TAKEN)] and unpack(plain.outbox.first()[0]) == [b"1", b"x"]


def test_senders_wait_for_the_store():
    link, calls = StoringLink(), []
    sink = AcknowledgedSink(link, payloads_of)
    sink.offer(RAW, 1)
    sink.wait(lambda: calls.append(1))
    link.sink.reconfigure(Limits())
    assert calls == [1]


@pytest.mark.parametrize(
    ("socket", "kind", "form"),
    [("push", AcknowledgedPush, "payload"), ("dealer", AcknowledgedDealer, "")],
)
def test_there_is_one_link_with_the_options_of_the_section(socket, kind, form):
    text = f"{ONE_FAR_SIDE} {socket}\nwindow = 64K\nqueue = 1M\non-doubt = wait"
    with run_handler(Zmq, text) as running:
        [link] = running.ctx.links
        assert (link.address, link.role.socket) == ("tcp://h:1", socket.upper().encode())
        options = link.options
        assert (options.mode, options.must_acknowledge) == ("acknowledged", True)
        assert (options.source.window, options.source.on_doubt) == (65536, "wait")
        assert options.limits.bytes == 1 << 20
        assert options.pings == running.handler.options.pings and options.pings.interval == 5.0
        handler = running.handler
        assert type(handler.socket) is kind and handler.joins_groups
        assert handler.decide("job").sinks == (handler.socket.sink,)
        member = handler.member()
        assert (member.form, member.sink) == (form, handler.socket.sink)
        assert handler.status() == {"address": "tcp://h:1", "state": "up"}
        running.ctx.run(handler.stop())


def test_a_pushing_link_takes_no_messages_and_a_dealing_one_has_a_name():
    with run_handler(Zmq, f"{ONE_FAR_SIDE} push") as running:
        assert running.ctx.links[0].role.ingress is NoMessages
    with run_handler(Zmq, f"{ONE_FAR_SIDE} dealer\nidentity = me") as running:
        assert running.ctx.links[0].role.identity == b"me"


def test_a_service_knows_who_asks_before_anything_is_asked():
    with run_handler(Zmq, f"{ONE_FAR_SIDE} dealer") as running:
        socket = running.handler.socket
        box = Outbox("peer", Limits())
        source = MessageSource(b"1", "1.2.3.4:5", "listen:x", b"me", box=box)
        socket.sink.meet(source)
        assert socket.askers.way_back(b"me", {}).sink is box
        socket.sink.take(Run(source, 1, payloads=pack([b"what"]), head=b"h"))
        assert unpack(socket.link.outbox.first()[0]) == [b"me", b"what"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("socket = pub\nconnect = tcp://h:1", "no meaning with socket = pub: a subscription drops"),
        ("socket = xpub\nconnect = tcp://h:1", "no meaning with socket = xpub"),
        ("socket = req\nconnect = tcp://h:1", "no meaning with socket = req: a request is done"),
        ("socket = push\nbind = tcp://127.0.0.1:1", "is for connect, and not for bind"),
        ("socket = push\nconnect = tcp://h:1, tcp://h:2", "needs one address, 2 are given"),
    ],
)
def test_what_no_far_side_can_acknowledge_is_a_mistake(text, what):
    for delivery in ("acknowledged", "acknowledged-if-possible"):
        options = options_for(Zmq, f"{text}\ndelivery = {delivery}")
        [problem] = Zmq("h:out", options).check(PLAN)
        assert f"delivery = {delivery} of [h:out]" in problem.what and what in problem.what
        assert problem.hint
    assert not list(Zmq("h:out", options_for(Zmq, text)).check(PLAN))


def test_a_spool_needs_acknowledgements():
    options = options_for(Zmq, "socket = push\nconnect = tcp://h:1\nspool = /tmp/x")
    one = SimpleNamespace(section="h:out", options=options)
    plan = SimpleNamespace(file="x.ini", handler=PLAN.handler, handlers=(one,))
    [problem] = Zmq("h:out", options).check(plan)
    assert "has a spool, but delivery = sent puts nothing into it" in problem.what
