"""A bus in one section: direct, or by the routes of the server."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Forward
from ccproxy.testing import CODEC, FakeContext, options_for
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy_handlers.zmq.bus import Bus, routed
from ccproxy_handlers.zmq.devices import Forwarder

IN, OUT = "tcp://127.0.0.1:1", "tcp://127.0.0.1:2"
TEXT = f"in = {IN}\nout = {OUT}"
MESSAGE = pack([b"a:b", b"", b"x"])


class RoutedContext(FakeContext):
    """A context whose routes are those of a switch."""

    def __init__(self):
        super().__init__()
        self.switch = Switch(CODEC, SimpleNamespace(unrouted=lambda type, messages: None))
        self.targets, self.watch, self.unwatch = (
            self.switch.targets, self.switch.watch, self.switch.unwatch
        )  # fmt: skip


class To:
    """A handler that forwards."""

    exclusive = False
    name = "h:x"

    def __init__(self, sink):
        self.decide = lambda type: Forward(sink)


@pytest.fixture
def ctx():
    made = RoutedContext()
    yield made
    made.close()


def bus(ctx, **given):
    options = options_for(Forwarder, TEXT)
    made = Bus("h:bus", options, ctx, **given)
    made.listen(options.in_, options.out)
    return made


def subscriber(bus, prefix):
    box = Outbox("subscriber", Limits())
    bus.socket.sink.subscriptions.subscribe(Subscriber(box), prefix)
    return box


def publish(ctx, message):
    role = ctx.bound[IN]
    input = PeerInput(MessageSource(b"1", "peer", "h:bus"), (99, 9))
    ingress = role.ingress(ctx.switch, input)
    assert ingress.feed(message)[0] == len(message)


def waiting(box):
    return b"".join(box.peek(99))


def test_without_a_type_messages_pass_without_routes(ctx):
    one = bus(ctx)
    box = subscriber(one, b"a:")
    publish(ctx, MESSAGE)
    assert waiting(box) == MESSAGE
    assert one.status()["messages"] == 1 and ctx.switch.ledger.fates == {"forwarded": 1}


@pytest.mark.parametrize("topics", [False, True])
def test_with_a_type_routes_say_where_messages_go(ctx, topics):
    one = bus(ctx, type="bus", topics=topics)
    box, link = subscriber(one, b""), Outbox("link", Limits())
    publish(ctx, MESSAGE)
    assert not box.waiting
    handlers = {"h:bus": To(one.socket.sink), "h:link": To(link)}
    ctx.switch.configure(Routes([("bus", ("h:bus", "h:link"))]), handlers, {})
    publish(ctx, MESSAGE)
    assert waiting(box) == MESSAGE
    assert frame(b"bus.a.b" if topics else b"bus", more=True) + MESSAGE in waiting(link)
    assert "messages" not in one.status()


def test_subscriptions_reach_publishers_whatever_the_routes_are(ctx):
    one = bus(ctx, type="bus")
    publisher = Outbox("publisher", Limits())
    ctx.bound[IN].joined(b"1", publisher)
    subscriber(one, b"a:")
    assert waiting(publisher) == frame(b"\1a:")
    ctx.switch.configure(Routes([("bus", ("h:link",))]), {"h:link": To(Outbox("l", Limits()))}, {})
    assert waiting(publisher) == frame(b"\1a:") + frame(b"\1") + frame(b"\0a:")


def test_another_ingress_may_take_what_publishers_send(ctx):
    options = options_for(Forwarder, TEXT)
    one = Bus("h:bus", options, ctx)
    one.use(lambda *given: given)
    one.listen(options.in_, ())
    assert ctx.bound[IN].ingress(1, 2) == (1, 2) and ctx.bound[IN].socket == b"XSUB"


@pytest.mark.parametrize(
    ("text", "found", "warning"),
    [
        ("topics = yes", 'has no meaning without type', False),
        ("type = other", "no route leads other anywhere", True),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_said(text, found, warning):
    route = SimpleNamespace(prefix="bus", sections=("h:bus",))
    plan = SimpleNamespace(file="x.ini", handler=lambda name: None, routes=[route])
    handler = Forwarder("h:bus", options_for(Forwarder, f"{TEXT}\n{text}"))
    [problem] = routed(handler, plan)
    assert found in problem.what and problem.warning == warning


def test_a_type_with_a_route_is_no_problem():
    route = SimpleNamespace(prefix="bus.a", sections=("h:bus",))
    plan = SimpleNamespace(file="x.ini", handler=lambda name: None, routes=[route])
    handler = Forwarder("h:bus", options_for(Forwarder, f"{TEXT}\ntype = bus\ntopics = yes"))
    assert not [*routed(handler, plan)]
