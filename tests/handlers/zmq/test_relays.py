"""A connection for each client: what goes out and comes back, and how it ends."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput, Run
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.zmq.devices import QueueDevice
from ccproxy_handlers.zmq.relays import PayloadSink, RelayedAnswers

TEXT = "in = tcp://127.0.0.1:1\nout = tcp://127.0.0.1:2\nper-peer = yes"


def client(identity, name):
    return MessageSource(identity, "peer", "h:x", name, box=Outbox("client", Limits()))


def test_each_client_has_a_link_and_the_link_goes_with_it():
    with run_handler(QueueDevice, TEXT) as running:
        [role] = running.ctx.bound.values()
        switch = Switch(CODEC, None)
        clients = [client(b"1", b"worker"), client(b"2", b"\0\0\0\0\2")]
        inputs = [role.ingress(switch, PeerInput(one, (99, 9))) for one in clients]
        links = list(running.ctx.links)
        assert [link.address for link in links] == ["tcp://127.0.0.1:2"] * 2
        assert running.handler.status() == {"connections": 2}
        inputs[0].feed(pack([b"a", b""]))
        assert [b"".join(link.outbox.peek(99)) for link in links] == [pack([b"a", b""]), b""]
        role.left(b"1", clients[0].box)
        assert running.ctx.links == links[1:] and links[0].state == "gone"
        assert switch.ledger.fates == {"forwarded": 1} and switch.ledger.balance() == 0
        role.left(b"1", clients[0].box)


@pytest.mark.parametrize(("limit", "fates"), [(9, {"replied": 2}), (1, {"replied": 1, "full": 1})])
def test_what_a_service_says_is_for_its_client(limit, fates):
    switch, box = Switch(CODEC, None), Outbox("client", Limits(messages=limit))
    connected = [box]
    service = client(b"9", b"")
    input = PeerInput(service, (99, 9))
    answers = RelayedAnswers(switch, input, box_of=lambda: connected[-1])
    data = pack([b"x", b""]) + pack([b"y"])
    assert answers.feed(data + b"\0")[0] == len(data)
    assert switch.ledger.fates == fates
    connected.append(None)
    answers.feed(pack([b"late"]))
    assert switch.ledger.fates == {**fates, "gone": 1} and switch.ledger.balance() == 0


def test_a_sink_takes_payloads_and_messages_with_envelopes():
    box = Outbox("link", Limits(messages=2, policy="block"))
    sink = PayloadSink(box)
    assert sink.may_block and not sink.blocked and sink.name == "link"
    assert sink.take(Run(None, 1, payloads=pack([b"a"]))) == (("forwarded", 1),)
    assert sink.offer(pack([b"me", b"", b"type", b"b"]), 1) == 1
    assert b"".join(box.peek(99)) == pack([b"a"]) + pack([b"b"])
    called = []
    assert sink.blocked
    sink.wait(lambda: called.append(1))
    box.advance(box.bytes)
    assert called == [1]


def test_one_service_and_unprotected_addresses_are_told():
    plan = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=3))
    text = "in = tcp://*:1\nout = tcp://127.0.0.1:2, tcp://127.0.0.1:3\nper-peer = yes"
    exposed, several = QueueDevice("h:x", options_for(QueueDevice, text)).check(plan)
    assert exposed.warning and "2 addresses" in several.what and not several.warning
