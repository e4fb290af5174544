"""The devices: the sockets of each, and that what comes in goes out without a route."""

from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, options_for, run_handler
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy_handlers.zmq.devices import Forwarder, QueueDevice, Streamer

TEXT = "in = tcp://127.0.0.1:1, ipc:///tmp/x\nout = tcp://127.0.0.1:2\nworker-window = 2K"


@pytest.mark.parametrize(
    ("device", "takes", "gives"),
    [
        (Forwarder, b"XSUB", b"XPUB"),
        (Streamer, b"PULL", b"PUSH"),
        (QueueDevice, b"ROUTER", b"DEALER"),
    ],
)
def test_the_sockets_of_a_device(device, takes, gives):
    with run_handler(device, TEXT) as running:
        sockets = [role.socket for role in running.ctx.bound.values()]
        assert sockets == [gives, takes, takes]
        made = running.handler.bus if device is Forwarder else running.handler
        assert made.socket.options.worker_window == 2048
        running.ctx.run(running.handler.stop())


def test_messages_pass_without_routes_and_are_counted():
    with run_handler(Streamer, TEXT) as running:
        switch = Switch(CODEC, None)
        role = running.ctx.bound["tcp://127.0.0.1:1"]
        input = PeerInput(MessageSource(b"1", "peer", "h:x"), (99, 9))
        ingress = role.ingress(switch, input)
        ingress.feed(pack([b"a", b""]))
        assert running.handler.socket.sink.backlog.first() == (pack([b"a", b""]), 0)
        assert switch.ledger.fates == {"forwarded": 1} and switch.ledger.balance() == 0
        assert running.handler.status()["messages"] == 1


def test_publishers_of_a_forwarder_hear_of_subscriptions():
    with run_handler(Forwarder, TEXT) as running:
        role = running.ctx.bound["tcp://127.0.0.1:1"]
        box = Outbox("publisher", Limits())
        role.joined(b"1", box)
        subscriptions = running.handler.bus.socket.sink.subscriptions
        subscriptions.subscribe(Subscriber(Outbox("subscriber", Limits())), b"a")
        assert b"".join(box.peek(9)) == frame(b"\1a")
        role.left(b"1", box)


def test_addresses_that_nothing_protects_are_named():
    plan = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=3))
    options = options_for(QueueDevice, "in = tcp://*:1\nout = tcp://127.0.0.1:2")
    [problem] = QueueDevice("h:out", options).check(plan)
    assert "tcp://*:1" in problem.what and problem.warning


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("out = tcp://127.0.0.1:2", ["neither in nor in-connect"]),
        ("in-connect = tcp://127.0.0.1:2", ["neither out nor out-connect"]),
        ("", ["neither in nor in-connect", "neither out nor out-connect"]),
        ("in-connect = tcp://127.0.0.1:1\nout-connect = tcp://127.0.0.1:2", []),
    ],
)
@pytest.mark.parametrize("device", [Forwarder, Streamer, QueueDevice])
def test_both_sockets_need_an_address(device, text, missing):
    plan = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=3), routes=())
    problems = list(device("h:x", options_for(device, text)).check(plan))
    assert len(problems) == len(missing)
    for problem, what in zip(problems, missing, strict=True):
        assert what in problem.what


@pytest.mark.parametrize("device", [Forwarder, Streamer, QueueDevice])
def test_a_device_that_connects(device):
    text = "in-connect = tcp://127.0.0.1:1\nout-connect = tcp://127.0.0.1:2\non-full = latest"
    options = options_for(device, text)
    assert options.keyed == (options,)
    assert options.receiving_link.limits.policy != "latest"
    with run_handler(device, text) as running:
        assert not running.ctx.bound
        addresses = [link.address for link in running.ctx.links]
        assert addresses == ["tcp://127.0.0.1:2", "tcp://127.0.0.1:1"]
        running.ctx.run(running.handler.stop())
