"""Callers are always answered: by whoever took the call, or with the fault that says why not."""

import asyncio
import json

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.server import ListenOptions
from ccproxy.core.message import Answer, Message, Reply
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver, Discard
from ccproxy.net import callers, listener_calls, streaming
from ccproxy.net.callers import UNANSWERED
from ccproxy.net.listener_calls import CallListener
from ccproxy.wire import cc, cccall
from ccproxy.wire.values import Fault, Result, Tree
from ccproxy.wire.zmtp import pack


class Service:
    """A handler that does with each call what the test says."""

    name = "h:test"
    exclusive = False

    def __init__(self, does):
        self.does = does
        self.verdict = Deliver()
        self.messages = []

    def decide(self, type):
        return self.verdict

    def handle(self, message):
        self.messages.append(message)
        return self.does(message)


def double(message):
    [call] = message.payload
    return Answer(Result(Tree(2 * call.value.tree().payload)))


@pytest.fixture
def make(services):
    def make(does=double, **options):
        shared = services()
        service = Service(does)
        shared.switch.configure(Routes([("calc.Sum", ("h:test",))]), {"h:test": service}, {})
        given = ListenOptions(protocol="http", address="tcp://127.0.0.1:0", **options)
        plan = ListenerPlan("listen:c", "http", "tcp://127.0.0.1:0", given, 1, "calc")
        listener = CallListener(plan, shared)
        listener.door.open(given)
        listener.door.accept()
        return listener, service, shared

    return make


class Client:
    """Asks over HTTP as a program without ccproxy would."""

    def __init__(self, listener):
        self.port = int(listener.door.bound.rpartition(":")[2])

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def ask(self, value, path="/!/Sum/add"):
        body = json.dumps(value).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)

    async def answer(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        [length] = [line for line in head.split("\r\n") if line.startswith("content-length:")]
        body = await self.reader.readexactly(int(length.partition(":")[2]))
        return int(head.split()[1]), json.loads(body)

    async def close(self):
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def end(listener, *clients):
    listener.door.close()
    await listener.dismiss("end", 1.0)
    for client in clients:
        await client.close()
    if listener._timer:
        listener._timer.cancel()


def fault_of(answer):
    status, body = answer
    assert status >= 500, answer
    return json.dumps(body)


async def test_a_call_becomes_a_message_and_its_answer_goes_back(make):
    listener, service, shared = make()
    client = await Client(listener).connect()
    for number in (4, 5):
        client.ask(number)
        status, body = await client.answer()
        assert (status, body) == (200, {"$": 2 * number})
    [first, second] = service.messages
    assert first.type == "calc.Sum.add"
    assert first.route[0] == second.route[0] and first.route[1] != second.route[1]
    assert shared.switch.ledger.fates == {"replied": 2}
    await end(listener, client)
    assert not shared.switch.peers


def raises(message):
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("path", "does", "verdict", "fate"),
    [
        ("/!/Nobody/add", double, None, "unrouted"),
        ("/!/Sum/add", raises, None, "failed"),
        ("/!/Sum/add", double, Discard("not now"), "discarded"),
    ],
)
async def test_what_nobody_takes_is_answered_with_the_reason(make, path, does, verdict, fate):
    listener, service, shared = make(does)
    service.verdict = verdict or service.verdict
    client = await Client(listener).connect()
    client.ask(1, path)
    type = path.removeprefix("/!/").replace("/", ".")
    assert UNANSWERED[fate].format(type=f"calc.{type}") in fault_of(await client.answer())
    assert shared.switch.ledger.fates == {fate: 1}
    await end(listener, client)


async def test_who_is_not_answered_in_time_is_told(make, monkeypatch):
    monkeypatch.setattr(streaming, "WATCH", 0.005)
    listener, service, _ = make(lambda message: None, timeout=0.02)
    client = await Client(listener).connect()
    client.ask(1)
    assert "no answer within 0.02 s" in fault_of(await client.answer())
    [message] = service.messages
    assert message.origin.answer(message, Answer(Result(Tree(1)))) == "gone"
    await end(listener, client)


async def test_an_answer_can_come_later_as_a_reply_and_only_once(make, until):
    listener, service, _ = make(lambda message: None)
    client = await Client(listener).connect()
    client.ask(1)
    [message] = await until(lambda: service.messages)
    fault = Answer(Fault("TooLate", Tree("no")))
    assert message.origin.answer(message, fault) == "replied"
    assert "TooLate" in fault_of(await client.answer())
    reply = Reply("reply.calc.Sum.add", {"data": 1})
    assert message.origin.answer(message, reply) == "gone"
    await end(listener, client)
    assert message.origin.answer(message, fault) == "gone"


async def test_a_reply_that_comes_back_over_a_link_is_an_answer(make, until):
    listener, service, shared = make(lambda message: None)
    client = await Client(listener).connect()
    client.ask(1)
    [message] = await until(lambda: service.messages)
    [returns] = shared.switch.peers.values()
    codec = cc.CcCodec("here", lambda: 1.5)
    payload = codec.encode("reply.calc.Sum.add", {"data": 7}, None)

    def back(*route):
        return pack(cc.frames(route, "reply.calc.Sum.add", payload))

    expected = cccall.read_reply("reply.calc.Sum.add", payload)
    assert isinstance(expected, Result)
    assert returns.offer(back(b"999") + back() + pack([b"x"]), 3) == 0
    assert returns.offer(back(message.route[1]), 1) == 1
    status, body = await client.answer()
    assert status == 200 and "7" in json.dumps(body)
    await end(listener, client)


async def test_what_cannot_be_read_is_malformed_and_answered(make):
    listener, service, shared = make()
    client = await Client(listener).connect()
    client.writer.write(
        b"POST /!/Sum/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1\r\n\r\n{"
    )
    status, _ = await client.answer()
    assert status >= 400
    assert (service.messages, shared.switch.ledger.fates) == ([], {"malformed": 1})
    client.writer.write(b"no HTTP at all\r\n\r\n")
    await client.reader.read()
    await end(listener, client)
    assert not listener.peers


async def test_who_does_not_read_its_answers_is_asked_to_wait(make, until, monkeypatch):
    """No more of its calls are read while its answers fill the kernel's buffers and ours."""
    monkeypatch.setattr(callers, "UNREAD", 1000)
    text = "x" * 500_000
    listener, service, _ = make(lambda message: Answer(Result(Tree(text))))
    client = await Client(listener).connect()
    total = 40
    for number in range(total):
        client.ask(number)
    await until(lambda: any(not peer.stream._reading for peer in listener.peers))
    for _ in range(total):
        status, _ = await client.answer()
        assert status == 200
    assert len(service.messages) == total
    await end(listener, client)


async def test_types_are_remembered_but_not_without_end(make, monkeypatch):
    monkeypatch.setattr(listener_calls, "TYPES", 2)
    listener, service, _ = make()
    client = await Client(listener).connect()
    for name in ("a", "b", "c", "a"):
        client.ask(1, f"/!/Sum/{name}")
        assert (await client.answer())[0] == 200
    assert len(listener._types) <= 2
    assert [one.type for one in service.messages] == [f"calc.Sum.{name}" for name in "abca"]
    assert all(isinstance(one, Message) for one in service.messages)
    await end(listener, client)
