"""The context of handlers in a config test."""

import inspect

import pytest

from ccproxy import Context, LinkOptions, Reply
from ccproxy.commands.offline_context import OfflineContext
from ccproxy.core.switch import Switch
from ccproxy.plugins import Plugins
from ccproxy.testing.clock import ManualClock
from ccproxy.testing.links import CODEC, TIME, FakeWire


class Services:
    """An OfflineServer as far as a context needs it."""

    def __init__(self):
        self.plan = type("Plan", (), {"routes": (), "plugin_folders": ()})
        self.plugins = Plugins()
        self.clock = ManualClock()
        self.switch = Switch(CODEC, self)
        self.handlers = {}
        self.reached, self.failures, self.lines = [], [], []
        self.reach = self.reached.append
        self.log_line = self.lines.append

    def failed(self, handler, type, error):
        self.failures.append((handler, str(error)))


@pytest.fixture
def services():
    return Services()


@pytest.fixture
def context(services):
    return OfflineContext("h:x", services)


def test_it_has_everything_a_handler_may_use():
    for name, member in inspect.getmembers(Context, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(OfflineContext, name))
            assert list(ours.parameters) == list(inspect.signature(member).parameters), name


def test_timers_fail_alone(context, services):
    made = []

    def fail():
        raise SystemExit("a plugin")

    context.call_later(1.0, fail)
    context.every(1.0, lambda: made.append(context.now()))
    services.clock.advance(2.0)
    assert made == [1.0, 2.0]
    assert services.failures == [("h:x", "raised SystemExit('a plugin')")]
    assert context.time() == TIME + 2.0


async def test_a_dialled_connection_takes_everything(context, services, settled):
    class Owner:
        def opened(self, wire):
            wire.write(b"hello")

    wire = context.dial("tcp://127.0.0.1:1", Owner(), LinkOptions())
    assert isinstance(wire, FakeWire)
    await settled()
    assert (wire.written, services.reached) == ([b"hello"], ["h:x"])
    assert context.wires == [wire]


def test_its_log_is_told(context, services):
    context.log.warning("one %d", 1)
    context.unanswered("no service")
    assert services.lines == ["[h:x] WARNING: one 1", "[h:x] WARNING: no service"]


def test_a_link_that_is_released_is_gone(context):
    link = context.link("tcp://a:1", LinkOptions())
    context.release(link)
    assert context.links == []


def test_an_answer_needs_a_message(context):
    with pytest.raises(ValueError, match="an answer needs a message"):
        context.act(Reply("x"))


async def test_what_waits_is_called_at_once(context):
    assert await context.run_blocking(max, 1, 2) == 2
    assert context.protocol("sodep").word == "sodep"


@pytest.fixture
def settled():
    import asyncio

    async def settled():
        for _ in range(3):
            await asyncio.sleep(0)

    return settled
