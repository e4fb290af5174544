"""The example of a handler whose peers are sinks, alone; with real sockets: test_pull.py."""

import importlib
from pathlib import Path

import pytest

from ccproxy import Limits, Outbox
from ccproxy.core.sinks import TAKEN, Sink
from ccproxy.testing import message, run_handler
from ccproxy.wire.zmtp.frames import pack

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
JOB = pack([b"me", b"", b"job.a", b"body", b"more"])
WORK = pack([b"body", b"more"])


@pytest.fixture
def push(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    plugin = importlib.import_module("push")
    with run_handler(plugin.Push, "bind = tcp://127.0.0.1:5558") as running:
        yield running


def test_each_message_goes_to_the_worker_with_the_least_to_do(push):
    role = push.ctx.bound["tcp://127.0.0.1:5558"]
    sink = push.handler.decide("job.a").to
    assert role.socket == b"PUSH" and isinstance(sink, Sink)
    assert sink.offer(JOB, 1) == 0
    boxes = [Outbox(name, Limits(bytes=2 * len(WORK))) for name in "ab"]
    for name, box in zip((b"a", b"b"), boxes, strict=True):
        role.joined(name, box)
    heard = []
    taken = sink.offer(JOB * 5, 5, lambda messages, outcome: heard.append((messages, outcome)))
    assert taken == 4 and heard == [(4, TAKEN)]
    assert [b"".join(box.peek(9)) for box in boxes] == [WORK * 2, WORK * 2]
    assert [box.dropped.total() for box in boxes] == [0, 0]
    role.left(b"a", boxes[0])
    assert push.handler.status() == {"workers": 1}


def test_a_message_of_a_handler_can_be_a_job(push):
    box = Outbox("a", Limits())
    push.ctx.bound["tcp://127.0.0.1:5558"].joined(b"a", box)
    push.give(message("job.a", {"x": 1}))
    assert box.waiting == 1 and b'"x": 1' in b"".join(box.peek(1))
