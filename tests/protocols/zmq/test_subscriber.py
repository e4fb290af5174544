"""A listener that subscribes: each publisher is told the whole set, then every change."""

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.routes import Routes
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Forward
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.subscriber import Subscriptor
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack


class To:
    exclusive = False

    def __init__(self, name, sink):
        self.name = name
        self.sink = sink

    def decide(self, type):
        return Forward(self.sink)


def route(switch, **sinks):
    handlers = {f"h:{type}": To(f"h:{type}", sink) for type, sink in sinks.items()}
    switch.configure(Routes([(type, (f"h:{type}",)) for type in sinks]), handlers, {})


@pytest.fixture
def make():
    def make(**options):
        given = ZmqListenerOptions(socket="xsub", type="bus", **options)
        return Subscriptor(given, Switch(CODEC, None))

    return make


def said(box):
    chunk = b"".join(box.peek(99))
    box.clear("read")
    return chunk


def test_a_publisher_is_told_what_is_wanted(make):
    listener = make()
    switch, publisher, peer = listener._routing, Publisher("h:bus"), Subscriber(None)
    route(switch, bus=publisher)
    publisher.subscriptions.subscribe(peer, b"a")
    box = Outbox("pub", Limits())
    listener.listener_role().joined(b"1", box)
    assert said(box) == pack([b"\1a"])
    publisher.subscriptions.subscribe(peer, b"b")
    publisher.subscriptions.cancel(peer, b"a")
    assert said(box) == pack([b"\1b"]) + pack([b"\0a"])
    [supplier] = publisher.upstream
    assert supplier.message(pack([b"up"])) and said(box) == pack([b"up"])
    route(switch, bus=Outbox("link", Limits()))
    assert said(box) == pack([b"\1"]) + pack([b"\0b"]) and publisher.upstream == []
    listener.listener_role().left(b"1", box)
    assert not listener._send(pack([b"up"]))


def test_fixed_prefixes_are_all_it_asks_for(make):
    listener = make(subscribe=("x", "y"))
    route(listener._routing, bus=Publisher("h:bus"))
    box = Outbox("pub", Limits())
    listener.listener_role().joined(b"1", box)
    assert said(box) == pack([b"\1x"]) + pack([b"\1y"])
    listener.reconfigure(ZmqListenerOptions(socket="xsub", type="bus", subscribe=("y",)))
    assert said(box) == pack([b"\0x"])


def test_a_listener_that_stops_follows_nobody(make):
    listener = make()
    publisher = Publisher("h:bus")
    route(listener._routing, bus=publisher)
    assert publisher.upstream == [listener.demand]
    listener.stop()
    assert publisher.upstream == []
    route(listener._routing, bus=publisher)
    assert publisher.upstream == []
