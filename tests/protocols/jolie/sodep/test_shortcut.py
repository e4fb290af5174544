"""Which calls get on the fast path: those that only one handler sees, from sodep to sodep."""

import socket
from itertools import count

import pytest

from ccproxy.core.message import Message
from ccproxy.core.outbox import Limits
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver
from ccproxy.protocols.jolie.caller import Caller
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.sodep import Sodep, Upstream, UpstreamLoad, UpstreamPool
from ccproxy.protocols.jolie.sodep.shortcut import shorten
from ccproxy.protocols.jolie.values import Call, Tree


class Shortener:
    """Asks for the fast path for every call."""

    exclusive = False

    def __init__(self, name, timeout=5.0):
        self.name = name
        self.upstreams = UpstreamPool("utf-8", timeout, lambda: 0.0)
        self.upstreams.usable.append(Upstream(count(1), UpstreamLoad(10, 10_000)))
        self.messages = []

    def decide(self, type):
        return Deliver()

    def handle(self, message):
        self.messages.append(message)
        shorten(message, "/", self.upstreams)


class FakeListener:
    name = "listen:c"
    limits = Limits()

    def __init__(self, kit, form, timeout=10.0):
        self.kit, self.form = kit, form
        self.options = type("Options", (), {"timeout": timeout, "raw": "no"})

    def type_of(self, call):
        return "calc." + call.operation


@pytest.fixture
def caller(kit):
    """Makes a caller whose connection the test feeds."""
    ends = []

    def make(handlers, form=None, timeout=10.0):
        shared = kit()
        named = {one.name: one for one in handlers}
        shared.switch.configure(Routes([("calc", tuple(named))]), named, {})
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        return Caller(FakeListener(shared, form or Sodep(), timeout), ours, "peer")

    yield make
    for one in ends:
        one.close()


DATA = Sodep().request(Call("/Sum", "sum", Tree(1)), 7)


async def test_the_second_call_goes_straight_and_is_counted_as_consumed(caller):
    handler = Shortener("h:a")
    one = caller([handler])
    one.received(one.stream, DATA)
    one.received(one.stream, DATA + DATA)
    assert len(handler.messages) == 1
    [upstream] = handler.upstreams.usable
    assert len(upstream.open) == 2
    assert one.side.calls == 3
    assert one.ledger.fates == {"consumed": 3}


async def test_calls_that_two_handlers_see_keep_the_slow_path(caller):
    handlers = Shortener("h:a"), Shortener("h:b")
    one = caller(handlers)
    one.received(one.stream, DATA)
    one.received(one.stream, DATA)
    assert [len(handler.messages) for handler in handlers] == [2, 2]


async def test_a_service_with_a_longer_timeout_than_the_listener_keeps_the_slow_path(caller):
    handler = Shortener("h:a", timeout=11.0)
    one = caller([handler])
    one.received(one.stream, DATA)
    one.received(one.stream, DATA)
    assert len(handler.messages) == 2


async def test_only_the_call_that_is_being_handled_opens_the_fast_path(caller):
    handler = Shortener("h:a", timeout=11.0)
    one = caller([handler])
    one.received(one.stream, DATA)
    handler.upstreams.timeout = 1.0
    shorten(handler.messages[0], "/", handler.upstreams)
    assert not one.side.form.routes


async def test_callers_of_other_protocols_keep_the_slow_path(caller):
    handler = Shortener("h:a")
    one = caller([handler], Http())
    body = b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    one.received(one.stream, body)
    assert len(handler.messages) == 1
    assert not handler.upstreams.usable[0].open


def test_a_message_without_a_caller_is_left_alone():
    pool = UpstreamPool("utf-8", 1.0, lambda: 0.0)
    assert shorten(Message("calc.sum", (b"a",), ({},), None), "/", pool) is None
