"""The proxy: its three addresses, what it asks publishers for, and its two kinds of bus."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy_handlers.xmsg.proxy import XmsgProxy

TEXT = "address = tcp://127.0.0.1:7001"


def subscriber(running, prefix):
    box = Outbox("subscriber", Limits())
    running.handler.bus.socket.sink.subscriptions.subscribe(Subscriber(box), prefix)
    return box


def publish(running, message):
    switch = Switch(CODEC, SimpleNamespace(unrouted=lambda type, messages: None))
    role = running.ctx.bound["tcp://127.0.0.1:7001"]
    input = PeerInput(MessageSource(b"1", "p", "h:x"), (999, 9))
    role.ingress(switch, input).feed(message)
    running.ctx.advance(0)
    return switch.ledger.fates


def test_the_sockets_of_a_proxy():
    with run_handler(XmsgProxy, TEXT) as running:
        bound = {address[-4:]: role.socket for address, role in running.ctx.bound.items()}
        assert bound == {"7001": b"XSUB", "7002": b"XPUB", "7003": b"ROUTER"}


def test_publishers_are_asked_for_requests_at_once():
    with run_handler(XmsgProxy, TEXT) as running:
        box = Outbox("publisher", Limits())
        running.ctx.bound["tcp://127.0.0.1:7001"].joined(b"1", box)
        assert b"".join(box.peek(9)) == frame(b"\1xmsg:control")


@pytest.mark.parametrize("more", ["", "type = clara", "type = clara\ntopics = yes"])
def test_a_check_is_answered_to_every_subscriber_of_the_topic(more):
    with run_handler(XmsgProxy, f"{TEXT}\n{more}") as running:
        one, other = subscriber(running, b"A:"), subscriber(running, b"B")
        publish(running, pack([b"xmsg:control:sub", b"sub", b"A:B"]))
        assert b"".join(one.peek(9)) == pack([b"A:B", b"sub"]) and not other.waiting
        assert running.handler.status()["answered"] == 1


@pytest.mark.parametrize(("more", "fate"), [("", "forwarded"), ("type = clara", "unrouted")])
def test_data_have_routes_if_they_have_a_type(more, fate):
    with run_handler(XmsgProxy, f"{TEXT}\n{more}") as running:
        subscriber(running, b"A")
        assert publish(running, pack([b"A:B", b"", b""])) == {fate: 1}
        [published] = running.handler.decide("clara").sinks
        assert published is running.handler.bus.socket.sink


def test_an_address_that_nothing_protects_is_named():
    plan = SimpleNamespace(file="x.ini", routes=(), handler=lambda name: SimpleNamespace(line=3))
    [problem] = XmsgProxy("h:dpe", options_for(XmsgProxy, "")).check(plan)
    assert "tcp://*:7771" in problem.what and problem.warning
