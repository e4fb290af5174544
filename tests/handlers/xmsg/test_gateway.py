"""The gateway: which sides fit together, and which sockets each shape has."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.rights import Rights
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.xmsg.gateway import ClaraGateway

OUT, IN, FAR = "tcp://127.0.0.1:7001", "tcp://127.0.0.1:8001", "tcp://127.0.0.1:9001"


def problems(text):
    plan = SimpleNamespace(file="x.ini", handler=lambda name: None)
    return [*ClaraGateway("h:gw", options_for(ClaraGateway, text)).check(plan)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "needs either address or gateway"),
        (f"address = {OUT}\ngateway = {FAR}\ninner = {IN}", "needs either address or gateway"),
        (f"address = {OUT}\ninner = {IN}\ninner-address = {FAR}", "inner and inner-address"),
        (f"gateway = {FAR}", "has gateway and no inner"),
        (f"address = {OUT}\nregistrar = yes", "has registrar and no inner side"),
        (f"address = {OUT}\ninner = {OUT}", "has its own address as inner"),
        ("address = tcp://*:7001\ninner = tcp://localhost:7001", "has its own address as inner"),
    ],
)
def test_sides_that_do_not_fit_are_mistakes(text, what):
    assert any(what in one.what and not one.warning for one in problems(text))


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        (f"address = {OUT}", {7001, 7002, 7003}),
        (f"address = {OUT}\ninner = {IN}\nregistrar = yes", {7001, 7002, 7003, 7005}),
        (f"address = {OUT}\ninner-address = {IN}", {7001, 7002, 7003, 8001, 8002}),
        (f"gateway = {FAR}\ninner = {IN}\nregistrar = yes", set()),
        ("", set()),
    ],
)
def test_each_port_that_it_listens_on_is_told_once(text, ports):
    told = [*ClaraGateway("h:gw", options_for(ClaraGateway, text)).listens_on()]
    assert len(told) == len(ports) and {f"tcp://127.0.0.1:{one}" for one in ports} == {*told}


def test_a_side_that_everybody_reaches_is_a_warning():
    text = f"address = tcp://*:7001\ninner = {IN}\ncurve-secret = x.key_secret"
    [problem] = problems(text)  # a key is for the inner side
    assert problem.warning and "tcp://*:7001" in problem.what
    assert not problems(f"{text}\naddresses = 10.0.0.0/8")


@pytest.mark.parametrize(
    ("text", "bound", "links"),
    [
        (f"address = {OUT}", "XSUB 7001, XPUB 7002, ROUTER 7003", ""),
        (
            f"address = {OUT}\ninner = {IN}\nregistrar = yes",
            "XSUB 7001, XPUB 7002, ROUTER 7003, ROUTER 7005",
            "XPUB 8001, XSUB 8002, DEALER 8005",
        ),
        (
            f"address = {OUT}\ninner-address = {IN}\nregistrar = yes",
            "XSUB 7001, XPUB 7002, ROUTER 7003, ROUTER 7005, XSUB 8001, XPUB 8002, DEALER 8005",
            "",
        ),
        (
            f"gateway = {FAR}\ninner = {IN}\nregistrar = yes",
            "",
            "XPUB 8001, XSUB 8002, DEALER 8005, XPUB 9001, XSUB 9002, ROUTER 9005",
        ),
    ],
)
def test_the_sockets_of_each_shape(text, bound, links):
    with run_handler(ClaraGateway, text) as running:
        ctx = running.ctx
        made = {where[-4:]: role.socket.decode() for where, role in ctx.bound.items()}
        dialled = {link.address[-4:]: link.role.socket.decode() for link in ctx.links}
        assert ", ".join(f"{made[port]} {port}" for port in sorted(made)) == bound
        assert ", ".join(f"{dialled[port]} {port}" for port in sorted(dialled)) == links


def fates(running, topic, rights=None):
    refused = []
    notices = SimpleNamespace(refused=lambda *given: refused.append(given[1]))
    switch = Switch(CODEC, notices)
    access = None if rights is None else switch.access.access(rights)
    source = MessageSource(b"1", "peer", "h:gw", access=access)
    ingress = running.ctx.bound[OUT].ingress(switch, PeerInput(source, (99, 9)))
    ingress.feed(pack([topic, b"", b""]))
    return [*switch.ledger.fates, *refused]


def test_what_may_not_pass_is_refused_by_name():
    with run_handler(ClaraGateway, f"address = {OUT}\ndpes = d_java") as running:
        assert fates(running, b"d_java:c") == ["unsubscribed"]
        assert fates(running, b"done:d_java:c") == ["unsubscribed"]
        assert fates(running, b"x") == ["refused", "h:test"]
        rights = Rights("alice", ("clara.dpe.*",))
        assert fates(running, b"d_java:c", rights) == ["refused", "allow:alice"]
        assert fates(running, b"dpe:d_java", rights) == ["unsubscribed"]
        assert running.handler.status()["in"] == 3


def test_requests_of_the_control_channel_stay_at_the_gateway():
    with run_handler(ClaraGateway, f"address = {OUT}\ninner = {IN}") as running:
        assert fates(running, b"xmsg:control:con") == ["forwarded"]
        running.ctx.advance(0)
        assert running.ctx.counters == {"control.unknown": 1}
        assert running.handler.status()["in"] == 0


def test_a_check_goes_to_the_inner_side_once():
    """Given back to the control channel it would go on again, 50,000 times a second."""
    with run_handler(ClaraGateway, f"address = {OUT}\ninner = {IN}") as running:
        inner = Outbox("inner", Limits())
        subscriptions = running.handler.inward.socket.sink.subscriptions
        subscriptions.subscribe(Subscriber(inner), b"xmsg:control")
        switch = Switch(CODEC, None)
        source = MessageSource(b"1", "peer", "h:gw")
        ingress = running.ctx.bound[OUT].ingress(switch, PeerInput(source, (99, 9)))
        ingress.feed(pack([b"xmsg:control:sub", b"sub", b"A"]))
        for _ in range(5):
            running.ctx.advance(1)
        assert inner.waiting == 1
        assert running.handler.status()["answered"] == 1


def test_answers_of_the_registrar_find_the_way_out_where_we_connect():
    text = f"gateway = {FAR}\ninner = {IN}\nregistrar = yes"
    with run_handler(ClaraGateway, text) as running:
        [role] = [one.role for one in running.ctx.links if one.role.socket == b"ROUTER"]
        assert role.replies(Outbox("outside", Limits())) is not None
