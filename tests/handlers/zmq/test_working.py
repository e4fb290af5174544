"""The socket that gives each message to one peer: its roles and options, and its stop."""

import pytest

from ccproxy import Context
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import Run
from ccproxy.net.zmtp.role import NoMessages
from ccproxy.testing import options_for, run_handler
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.zmq.handler import Zmq
from ccproxy_handlers.zmq.working import WorkingSocket

WINDOW = "worker-window = 2K\nworker-window-messages = 3\nqueue = 1M\non-full = drop-old"


@pytest.fixture
def socket():
    options = options_for(Zmq, f"socket = push\nbind = tcp://*:1\nzmq_hwm = 5\n{WINDOW}")
    return WorkingSocket("h:out", options, Context())


def test_the_window_holds_for_each_peer_and_the_queue_for_all(socket):
    for options in (socket.listener_options(), socket.link_options()):
        limits = options.limits
        assert (limits.bytes, limits.messages, limits.policy) == (2048, 3, "block")
    limits = socket.sink.backlog.limits
    assert (limits.bytes, limits.messages, limits.policy) == (1024 * 1024, 10, "drop-old")


def test_workers_come_and_go(socket):
    roles = (socket.listener_role(), socket.link_role())
    assert [(one.socket, one.ingress) for one in roles] == [(b"PUSH", NoMessages)] * 2
    assert roles[0].replies(None) is None
    box = Outbox("peer", socket.link_options().limits)
    socket.sink.take(Run(None, 1, payloads=pack([b"x"])))
    roles[0].joined(b"1", box)
    assert box.waiting == 1
    roles[1].left(b"1", box)
    status = {"workers": 0, "waiting": 1, "given": 0, "returned": 1, "dropped": 0}
    assert socket.status() == status


def test_what_waits_without_a_worker_at_a_stop_is_dropped_and_counted():
    with run_handler(Zmq, "socket = push\nbind = tcp://*:1\nconnect = tcp://h:2") as running:
        assert [role.socket for role in running.ctx.bound.values()] == [b"PUSH"]
        assert [link.address for link in running.ctx.links] == ["tcp://h:2"]
        sink = running.handler.decide("job").sinks[0]
        sink.take(Run(None, 1, payloads=pack([b"x"])))
        running.ctx.run(running.handler.stop())
        assert sink.backlog.dropped == {"stop": 1}
        assert running.handler.status()["dropped"] == 1
