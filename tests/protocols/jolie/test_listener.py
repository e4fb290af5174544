"""What a reload changes for a listener of calls that stays, and the limits of each protocol."""

import asyncio
import json

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import NativeAnswer
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http import HttpLimits
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.sodep import Sodep, SodepLimits, message
from ccproxy.protocols.jolie.values import Result, Tree

VOID = bytes(5)


class Service:
    """Answers with the type it was asked by, or not at all."""

    name = "h:test"
    exclusive = False
    silent = False

    def decide(self, type):
        return Deliver()

    def handle(self, message):
        return None if self.silent else NativeAnswer(Result(Tree(message.type)))


@pytest.fixture
def make(kit):
    def make(protocol="sodep", **options):
        shared = kit()
        service = Service()
        routes = Routes([("calc", ("h:test",)), ("other", ("h:test",))])
        shared.switch.configure(routes, {"h:test": service}, {})
        factory = Plugins().protocol(protocol)
        given = factory.Options(type="calc", **options)
        plan = ListenerPlan("listen:c", protocol, factory, "tcp://127.0.0.1:0", given, 1)
        listener = factory(protocol).listener(plan, shared)
        listener.acceptor.open(given)
        listener.acceptor.accept()
        return listener, service

    return make


def listen(**options):
    return CallListenerOptions(**{"type": "calc", **options})


class Caller:
    """Asks by sodep."""

    def __init__(self, listener):
        self.port = int(listener.acceptor.bound.rpartition(":")[2])
        self.side = Sodep().service()

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def ask(self, value=VOID, path=b"/Sum"):
        """The answer, b"" if the connection is closed instead."""
        self.writer.write(message(1, path, b"\0\0\0\3sum\0" + value))
        while data := await self.reader.read(1 << 16):
            if found := self.side.feed(data):
                return found[0].answer.value.tree().payload
        return b""

    async def close(self):
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def end(listener, *callers):
    for one in callers:
        await one.close()
    listener.acceptor.close()
    await listener.close_peers("end", 1.0)
    listener._sweep.stop()


async def test_each_listener_speaks_its_protocol_with_the_longest_message_of_its_options(make):
    for word in ("sodep", "http", "jsonrpc"):
        listener, _ = make(word, max_message=9)
        expected = SodepLimits(message=9) if word == "sodep" else HttpLimits(body=9)
        assert (listener.form.name, listener.form.limits) == (word, expected)
        await end(listener)


async def test_the_longest_message_is_that_of_the_form_where_the_ini_is_silent(make):
    for word, expected in (("sodep", SodepLimits()), ("http", HttpLimits())):
        listener, _ = make(word)
        assert listener.form.limits == expected
        await end(listener)


async def test_the_prefix_of_a_kept_listener(make):
    listener, _ = make()
    caller = await Caller(listener).connect()
    assert await caller.ask() == "calc.Sum.sum"
    listener.reconfigure(listen(type="other"))
    assert await caller.ask() == "other.Sum.sum"
    await end(listener, caller)


def text(size):
    return b"\1" + size.to_bytes(4, "big") + b"x" * size + bytes(4)


async def test_the_longest_message_of_connections_to_come(make):
    listener, _ = make(max_message=1000)
    first = await Caller(listener).connect()
    assert await first.ask(text(900)) == "calc.Sum.sum"
    listener.reconfigure(listen(max_message=5000))
    second = await Caller(listener).connect()
    assert await second.ask(text(4900)) == "calc.Sum.sum"
    assert await second.ask(text(5000)) == b""
    assert await first.ask(text(1000)) == b""
    await end(listener, first, second)


async def test_the_longest_body(make):
    listener, _ = make("jsonrpc", max_message=200)
    body = json.dumps({"method": "sum", "id": 1, "params": "x" * 300})
    port = int(listener.acceptor.bound.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 413")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error == {
        "message": "IOException", "code": -32000, "data": "a body of more than 200 bytes"
    }  # fmt: skip
    writer.close()
    await end(listener)


async def test_the_timeout_of_calls_to_come(make, monkeypatch):
    monkeypatch.setattr("ccproxy.net.sweep.INTERVAL", 0.01)
    listener, service = make(timeout=60.0)
    service.silent = True
    listener.reconfigure(listen(timeout=0.05))
    caller = await Caller(listener).connect()
    assert await caller.ask() == "no answer within 0.05 s"
    await end(listener, caller)
