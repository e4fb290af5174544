"""A listener that subscribes: each publisher is told the whole set, then every change."""

import asyncio

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.routes import Routes
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.verdict import Forward
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.protocol import ZmqProtocol
from ccproxy.protocols.zmq.subscriber import SubscribingListener
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
def make(kit):
    def make(**options):
        given = ZmqListenerOptions(socket="xsub", type="bus", **options)
        plan = ListenerPlan("listen:in", "zmq", ZmqProtocol, "tcp://127.0.0.1:0", given, 1)
        return SubscribingListener(plan, kit())

    return make


def said(box):
    chunk = b"".join(box.peek(99))
    box.clear("read")
    return chunk


async def test_a_publisher_is_told_what_is_wanted(make):
    listener = make()
    switch, publisher, peer = listener._kit.switch, Publisher("h:bus"), Subscriber(None)
    route(switch, bus=publisher)
    publisher.subscriptions.subscribe(peer, b"a")
    box = Outbox("pub", Limits())
    listener.role.joined(b"1", box)
    assert said(box) == pack([b"\1a"])
    publisher.subscriptions.subscribe(peer, b"b")
    publisher.subscriptions.cancel(peer, b"a")
    assert said(box) == pack([b"\1b"]) + pack([b"\0a"])
    [supplier] = publisher.upstream
    assert supplier.message(pack([b"up"])) and said(box) == pack([b"up"])
    route(switch, bus=Outbox("link", Limits()))
    assert said(box) == pack([b"\1"]) + pack([b"\0b"]) and publisher.upstream == []
    listener.role.left(b"1", box)
    assert not listener._send(pack([b"up"]))


async def test_fixed_prefixes_are_all_it_asks_for(make):
    listener = make(subscribe=("x", "y"))
    route(listener._kit.switch, bus=Publisher("h:bus"))
    box = Outbox("pub", Limits())
    listener.role.joined(b"1", box)
    assert said(box) == pack([b"\1x"]) + pack([b"\1y"])
    listener.reconfigure(ZmqListenerOptions(socket="xsub", type="bus", subscribe=("y",)))
    assert said(box) == pack([b"\0x"])


async def test_a_listener_that_stops_follows_nobody(make):
    listener = make()
    publisher = Publisher("h:bus")
    route(listener._kit.switch, bus=publisher)
    assert publisher.upstream == [listener.demand]
    listener.stop_reading()
    assert publisher.upstream == []
    route(listener._kit.switch, bus=publisher)
    assert publisher.upstream == []
    await listener.close_peers("test", 0)
    await asyncio.gather(listener._reading, return_exceptions=True)
