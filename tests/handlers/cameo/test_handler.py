"""The section: its sockets, its mistakes, what becomes of a type, and its status."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.cameo.handler import CameoProxy
from ccproxy_handlers.cameo.responder import ResponderIngress
from ccproxy_handlers.cameo.routed import RoutedIngress

PORTS = "proxy-ports = 10000, 10001, 10002\nhost = 127.0.0.1"


def problems(text, routes=()):
    handler = CameoProxy("h:cameo", options_for(CameoProxy, text))
    plan = SimpleNamespace(
        file="x.ini",
        handler=lambda name: SimpleNamespace(line=3),
        routes=[SimpleNamespace(prefix=one, sections=("h:cameo",)) for one in routes],
    )
    return [one.what for one in handler.check(plan)]


def peer(running, name, identity):
    box = Outbox("peer", Limits())
    role = running.ctx.bound["tcp://127.0.0.1:10000"]
    source = MessageSource(identity, "host:1", "h:test", name, box=box)
    return box, role.ingress(Switch(CODEC, None), PeerInput(source, (1000, 9)))


def test_the_three_sockets():
    with run_handler(CameoProxy, PORTS) as running:
        sockets = {address[-5:]: role.socket for address, role in running.ctx.bound.items()}
        assert sockets == {"10000": b"ROUTER", "10001": b"XPUB", "10002": b"XSUB"}
        assert running.ctx.bound["tcp://127.0.0.1:10000"].identity == b"R"


def test_the_responder_proxy_alone():
    with run_handler(CameoProxy, "responder = tcp://127.0.0.1:10000") as running:
        assert list(running.ctx.bound) == ["tcp://127.0.0.1:10000"]
        assert running.handler.status()["peers"] == 0
        assert running.handler.decide("any").sinks == (running.handler.requests,)


def test_peers_come_and_go_and_are_counted():
    with run_handler(CameoProxy, PORTS) as running:
        server, _ = peer(running, b"0:0", b"1")
        _, client = peer(running, b"\0\0\0\0\2", b"\0\0\0\0\2")
        assert isinstance(client, ResponderIngress)
        client.feed(pack([b"", b"0:0", b"", b"1"]) + pack([b"", b"?", b"", b"2"]))
        assert server.waiting == 1
        facts = running.handler.status()
        assert (facts["0:0"]["received"], facts["unknown"], facts["requested"]) == (1, 1, 2)
        assert facts["subscribers"] == 0
        running.ctx.bound["tcp://127.0.0.1:10000"].left(b"1", server)
        assert running.handler.status()["0:0"]["state"] == "gone"


def test_with_a_type_messages_take_routes():
    with run_handler(CameoProxy, PORTS + "\ntype = cameo") as running:
        assert isinstance(peer(running, b"a", b"1")[1], RoutedIngress)
        handler = running.handler
        assert handler.decide("cameo.request.0.0").sinks == (handler.requests,)
        assert handler.decide("cameo.request").sinks == (handler.requests,)
        for type in ("cameo.requests", "cameo.publication.status", "other"):
            assert handler.decide(type).sinks == (handler.bus.socket.sink,)
        assert "peer" in handler.explain("cameo.request.0.0", None)
        assert "subscribers" in handler.explain("cameo.publication.x", None)


@pytest.mark.parametrize(
    ("text", "routes", "words"),
    [
        (PORTS, (), []),
        ("", (), ["no address"]),
        ("publisher = tcp://127.0.0.1:1", (), ["one of publisher and internal"]),
        ("responder = tcp://*:1", (), ["tcp://*:1"]),
        ("proxy-ports = 1, 2, 3", (), ["tcp://0.0.0.0:1", "tcp://0.0.0.0:2", "0:3 can publish"]),
        ("proxy-ports = 1, 2, 3\nopen = yes", (), []),
        (PORTS + "\ntype = cameo", (), ["no route leads cameo"]),
        (PORTS + "\ntype = cameo", ("other",), ["no route leads cameo"]),
        (PORTS + "\ntype = my.cameo", ("my.cameo.request.0",), []),
        (PORTS + "\ntype = my.cameo", ("my",), []),
        (PORTS + "\ntype = my.cameo", ("*",), []),
    ],
)
def test_mistakes(text, routes, words):
    found = problems(text, routes)
    assert len(found) == len(words)
    assert all(word in one for word, one in zip(words, found, strict=True))
