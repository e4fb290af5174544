"""Callers are always answered: by the handler of the call, or with a fault that says why not."""

import asyncio
import gzip
import json
import socket
import struct
import time

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import Message, NativeAnswer, Reply
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver, Discard
from ccproxy.net import sweep, work
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie import backpressure
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie import listener as listener_calls
from ccproxy.protocols.jolie.caller import UNANSWERED, ReplySink
from ccproxy.protocols.jolie.json_values import JsonText, to_tree
from ccproxy.protocols.jolie.sodep import (
    Packed,
    Sodep,
    SodepLimits,
    SodepReader,
    answer_tail,
    message,
    request_tail,
)
from ccproxy.protocols.jolie.values import Fault, Result, Tree
from ccproxy.wire import cc
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
    return NativeAnswer(Result(Tree(2 * call.value.tree().payload)))


@pytest.fixture
def make(kit):
    def make(does=double, protocol="http", **options):
        shared = kit()
        service = Service(does)
        shared.switch.configure(Routes([("calc.Sum", ("h:test",))]), {"h:test": service}, {})
        factory = Plugins().protocol(protocol)
        given = factory.Options(type="calc", **options)
        plan = ListenerPlan("listen:c", protocol, factory, "tcp://127.0.0.1:0", given, 1)
        listener = factory(protocol).listener(plan, shared)
        listener.acceptor.open(given)
        listener.acceptor.accept()
        return listener, service, shared

    return make


class Client:
    """Asks over HTTP as a program without ccproxy would."""

    def __init__(self, listener):
        self.port = int(listener.acceptor.bound.rpartition(":")[2])

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def ask(self, value, path="/!/Sum/add"):
        body = json.dumps(value).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
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
    listener.acceptor.close()
    for client in clients:
        await client.close()
    await listener.close_peers("end", 1.0)
    listener._sweep.stop()


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
    monkeypatch.setattr(sweep, "INTERVAL", 0.005)
    listener, service, _ = make(lambda message: None, timeout=0.02)
    client = await Client(listener).connect()
    client.ask(1)
    assert "no answer within 0.02 s" in fault_of(await client.answer())
    [message] = service.messages
    assert message.origin.answer(message, NativeAnswer(Result(Tree(1)))) == "gone"
    await end(listener, client)


async def test_an_answer_can_come_later_as_a_reply_and_only_once(make, until):
    listener, service, _ = make(lambda message: None)
    client = await Client(listener).connect()
    client.ask(1)
    [message] = await until(lambda: service.messages)
    fault = NativeAnswer(Fault("TooLate", Tree("no")))
    assert message.origin.answer(message, fault) == "replied"
    assert "TooLate" in fault_of(await client.answer())
    reply = Reply("reply.calc.Sum.add", {"data": 1})
    assert message.origin.answer(message, reply) == "gone"
    await end(listener, client)
    assert message.origin.answer(message, fault) == "gone"


async def test_what_cannot_be_read_is_malformed_and_answered(make):
    listener, service, shared = make()
    client = await Client(listener).connect()
    client.writer.write(
        b"POST /!/Sum/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
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
    monkeypatch.setattr(backpressure, "MAX_UNREAD", 1000)
    text = "x" * 500_000
    listener, service, _ = make(lambda message: NativeAnswer(Result(Tree(text))))
    client = await Client(listener).connect()
    total = 40
    for number in range(total):
        client.ask(number)
    await until(lambda: any(not peer.stream._reading.active for peer in listener.peers))
    for _ in range(total):
        status, _ = await client.answer()
        assert status == 200
    assert len(service.messages) == total
    await end(listener, client)


async def test_types_are_remembered_but_not_without_end(make, monkeypatch):
    monkeypatch.setattr(listener_calls, "MAX_TYPES", 2)
    listener, service, _ = make()
    client = await Client(listener).connect()
    for name in ("a", "b", "c", "a"):
        client.ask(1, f"/!/Sum/{name}")
        assert (await client.answer())[0] == 200
    assert len(listener._types) <= 2
    assert [one.type for one in service.messages] == [f"calc.Sum.{name}" for name in "abca"]
    assert all(isinstance(one, Message) for one in service.messages)
    await end(listener, client)


class SodepClient(Client):
    """The same over sodep: answers come in any order."""

    def __init__(self, listener):
        super().__init__(listener)
        self.side = Sodep().service()

    def ask(self, *ids):
        self.writer.write(b"".join(message(id, b"/Sum", SUM + VOID) for id in ids))

    async def answers(self, count):
        """Id -> payload of so many answers; fewer if the connection ends."""
        found = {}
        while len(found) < count and (data := await self.reader.read(1 << 20)):
            found |= {id: answer.value.tree().payload for id, answer in self.side.feed(data)}
        return found


SUM, VOID = b"\0\0\0\3sum\0", bytes(5)


def keeps(message):
    """Answered later, by the test."""


def answer(message, payload=1):
    return message.origin.answer(message, NativeAnswer(Result(Tree(payload))))


async def test_no_more_is_read_while_many_calls_are_under_way(make, until, monkeypatch):
    monkeypatch.setattr(backpressure, "MAX_PIPELINE", 10)
    listener, service, _ = make(keeps, "sodep")
    client = await SodepClient(listener).connect()
    client.ask(*range(10))
    await until(lambda: len(service.messages) == 10)
    client.ask(10)
    await until(lambda: listener.calls == 11)
    client.ask(*range(11, 100))
    await asyncio.sleep(0.02)
    assert listener.calls == 11
    for one in service.messages[:5]:
        answer(one)
    assert len(await client.answers(5)) == 5
    await asyncio.sleep(0.02)
    assert listener.calls == 6
    answer(service.messages[5])
    await until(lambda: len(service.messages) == 100)
    for one in service.messages[6:]:
        answer(one)
    assert len(await client.answers(95)) == 95
    assert listener.calls == 0
    await end(listener, client)


async def test_who_sends_far_ahead_is_answered_all_the_same(make, until):
    """More than is held for one connection: the rest waits on its way."""
    listener, service, _ = make(keeps)
    client = await Client(listener).connect()
    text, total = "x" * 3000, 1000
    for _ in range(total):
        client.ask(text)
    await until(lambda: any(not peer.stream._reading.active for peer in listener.peers))
    answer(service.messages[0])
    service.does = lambda message: NativeAnswer(Result(Tree(len(service.messages))))
    for number in range(1, total + 1):
        status, body = await client.answer()
        assert (status, body["$"]) == (200, number)
    await end(listener, client)


BIG = "x" * 1_000_000


async def fill(make, until, policy):
    """A caller of 40 calls that reads nothing, and its answers, one in each turn."""
    listener, service, shared = make(keeps, "sodep", peer_on_full=policy, peer_queue=2 << 20)
    client = await SodepClient(listener).connect()
    client.writer.transport.pause_reading()
    client.ask(*range(40))
    await until(lambda: len(service.messages) == 40)
    for one in service.messages:
        answer(one, BIG)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return listener, client, shared


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
async def test_who_does_not_read_at_all_is_closed_and_named_once(make, until, policy, caplog):
    listener, client, _ = await fill(make, until, policy)
    await until(lambda: not listener.peers)
    [line] = [one.message for one in caplog.records if "does not read" in one.message]
    port = client.writer.get_extra_info("sockname")[1]
    assert line == f"peer closed listener=listen:c peer=127.0.0.1:{port}: does not read its answers"
    client.writer.transport.resume_reading()
    found = await client.answers(40)
    # What came is whole and in order: nothing was left out in between.
    assert list(found) == list(range(len(found))) and 0 < len(found) < 40
    await end(listener, client)
    counts = listener.past
    assert counts.queued == counts.sent + sum(counts.dropped.values()) + counts.waiting


async def test_with_block_it_is_waited_for(make, until, caplog):
    listener, client, _ = await fill(make, until, "block")
    [peer] = listener.peers
    assert peer.stream.box.bytes > 20_000_000 and not peer.stream._reading.active
    client.ask(40)
    client.writer.transport.resume_reading()
    found = await client.answers(40)
    assert list(found) == list(range(40)) and set(found.values()) == {BIG}
    await until(lambda: listener.calls == 1)
    assert "closed" not in caplog.text
    await end(listener, client)


async def test_one_answer_may_be_larger_than_the_queue(make):
    listener, _, _ = make(lambda message: NativeAnswer(Result(Tree(BIG))), peer_queue=1024)
    client = await Client(listener).connect()
    for number in range(3):
        client.ask(number)
        assert (await client.answer())[1] == {"$": BIG}
    await end(listener, client)


def too_big():
    zipped = gzip.compress(b'"' + b"x" * 5000 + b'"')
    head = b"POST /!/Sum/add HTTP/1.1\r\nHost: localhost\r\n"
    length = head + b"Content-Length: %d\r\n"
    return {
        "sodep": ("sodep", message(1, b"/Sum", SUM + b"\1\0\1\0\0")),
        "http": ("http", length % 5000 + b"\r\n"),
        "chunked": ("http", head + b"Transfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000),
        "packed": ("http", length % len(zipped) + b"Content-Encoding: gzip\r\n\r\n" + zipped),
        "jsonrpc": ("jsonrpc", length % 5000 + b"\r\n"),
        "packed jsonrpc": (
            "jsonrpc", length % len(zipped) + b"Content-Encoding: gzip\r\n\r\n" + zipped
        ),
    }  # fmt: skip


@pytest.mark.parametrize("what", too_big())
async def test_what_is_too_big_is_counted_and_named_once(make, what, caplog):
    protocol, data = too_big()[what]
    listener, service, shared = make(keeps, protocol, max_message=1000)
    client = await Client(listener).connect()
    client.writer.write(data)
    await client.reader.read()
    ledger = shared.switch.ledger
    assert (ledger.received, ledger.fates, service.messages) == (1, {"too-big": 1}, [])
    [line] = [one.message for one in caplog.records if "peer closed" in one.message]
    assert "peer=127.0.0.1:" in line and "more than 1000 bytes" in line
    await end(listener, client)


PAGE = b"POST /!/Sum/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
PAGES = {
    "origin": (PAGE + b"Origin: https://evil.example\r\n\r\n{}", 403, "origins"),
    "image": (b"GET /!/Sum/add HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
              403, "web page"),
    "host": (PAGE.replace(b"localhost", b"evil.example") + b"\r\n{}", 421, "list it in hosts"),
    "form": (PAGE + b"Content-Type: text/plain\r\n\r\n{}", 415, "forms = yes"),
}  # fmt: skip


@pytest.mark.parametrize("protocol", ["http", "jsonrpc"])
@pytest.mark.parametrize("what", PAGES)
async def test_a_request_of_a_web_page_is_no_call(make, protocol, what, caplog):
    data, status, text = PAGES[what]
    listener, service, shared = make(double, protocol)
    client = await Client(listener).connect()
    client.writer.write(data)
    found = await client.reader.read()
    assert found.startswith(b"HTTP/1.1 %d " % status) and text.encode() in found
    ledger = shared.switch.ledger
    assert (ledger.received, ledger.fates, service.messages) == (1, {"refused": 1}, [])
    assert sum("peer closed" in one.message and text in one.message for one in caplog.records) == 1
    await end(listener, client)


async def test_calls_before_garbage_are_answered(make, until):
    listener, service, _ = make(keeps, "sodep")
    client = await SodepClient(listener).connect()
    client.ask(1, 2)
    client.writer.write(b"\xff" * 100)
    await until(lambda: len(service.messages) == 2)
    await asyncio.sleep(0.01)
    for one in service.messages:
        answer(one)
    assert await client.answers(3) == {1: 1, 2: 1}
    await end(listener, client)


async def test_muted_ones_are_answered_and_then_closed(make, until):
    listener, service, _ = make(keeps)
    busy, idle, half = [await Client(listener).connect() for _ in range(3)]
    half.writer.write(b"POST /!/Sum/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
    busy.ask(1)
    busy.ask(2)
    await until(lambda: service.messages and len(listener.peers) == 3)
    await asyncio.sleep(0.01)
    listener.stop_reading()
    assert await idle.reader.read() == b""
    assert b"503" in await half.reader.read()
    assert listener.calls == 1
    answer(service.messages[0])
    found = await busy.reader.read()
    assert found.startswith(b"HTTP/1.1 200") and b"Connection: close" in found
    assert found.count(b"HTTP/1.1") == len(service.messages) == 1
    listener.stop_reading()
    await end(listener, busy, idle, half)


@pytest.mark.parametrize("protocol", ["sodep", "http"])
async def test_who_is_dismissed_gets_a_fault(make, until, protocol):
    listener, service, _ = make(keeps, protocol)
    client = await (SodepClient if protocol == "sodep" else Client)(listener).connect()
    client.ask(1)
    await until(lambda: service.messages)
    listener.acceptor.close()
    await asyncio.gather(listener.close_peers("over", 1.0), told(client))
    assert not listener.peers
    assert answer(service.messages[0]) == "gone"
    await end(listener)


async def told(client):
    data = await client.reader.read()
    assert b"over" in data and b"IOException" in data
    await client.close()


class OneCall:
    """A caller with one call in flight, number 7."""

    def __init__(self):
        self.answers = []

    def respond(self, number, answer):
        if number != b"7" or self.answers:
            return "gone"
        self.answers.append(answer)
        return "replied"


def test_a_reply_that_comes_back_over_a_link_is_an_answer():
    caller = OneCall()
    sink = ReplySink(caller)
    payload = cc.CcCodec("here", lambda: 1.5).encode("reply.calc.Sum.add", {"data": 7}, None)

    def back(*route):
        return pack(cc.frames(route, "reply.calc.Sum.add", payload))

    assert sink.offer(back(b"999") + back() + pack([b"x"]), 3) == 0
    assert caller.answers == []
    assert sink.offer(back(b"7"), 1) == 1
    assert sink.offer(back(b"7"), 1) == 0
    [answer] = caller.answers
    expected = cccall.read_reply("reply.calc.Sum.add", payload)
    assert isinstance(answer, Result) and answer.value.tree() == expected.value.tree()


def numbers(count: int) -> dict[str, list[int]]:
    return {"v": [*range(count)]}


def packed(value) -> Packed:
    """A value that came from a sodep service."""
    [frame] = SodepReader(SodepLimits()).feed(message(1, b"/", answer_tail("", Result(value))))
    return Packed(frame, "", "utf-8")


async def test_a_large_call_is_read_and_its_answer_converted_in_steps(make, monkeypatch):
    """Small calls of another client are answered meanwhile, with one step in each turn."""
    monkeypatch.setattr(work, "TURN", 0.0)
    large = packed(to_tree(numbers(100_000)))
    values = []

    def does(message):
        [call] = message.payload
        values.append(call.value)
        return NativeAnswer(Result(large if isinstance(call.value, JsonText) else Tree(1)))

    listener, _, shared = make(does)
    one, other = await Client(listener).connect(), await Client(listener).connect()
    one.ask(numbers(100_000))
    waiting = asyncio.ensure_future(one.answer())
    meanwhile = 0
    while not waiting.done():
        other.ask(1)
        assert await other.answer() == (200, {"$": 1})
        meanwhile += 1
    assert await waiting == (200, numbers(100_000))
    assert meanwhile > 10
    assert sum(isinstance(value, JsonText) for value in values) == 1
    assert shared.switch.ledger.fates == {"replied": meanwhile + 1}
    assert not len(shared.computations)
    await end(listener, one, other)


async def test_what_a_gone_caller_asked_is_read_no_further(make, until, monkeypatch):
    monkeypatch.setattr(work, "QUANTUM", 0.0)
    monkeypatch.setattr(work, "TURN", 0.0)
    listener, service, shared = make()
    client = await Client(listener).connect()
    client.ask(numbers(1_000_000))
    await until(lambda: len(shared.computations))
    # Without this the end would look like that of a caller that only sends no more.
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()
    await until(lambda: not listener.peers)
    await until(lambda: not len(shared.computations))
    assert service.messages == []
    await end(listener, client)


async def test_an_answer_in_conversion_is_the_only_one_unless_it_takes_too_long(make, until):
    listener, service, shared = make(lambda message: None)
    client = await Client(listener).connect()
    client.ask(1)
    [call] = await until(lambda: service.messages)
    large = NativeAnswer(Result(packed(to_tree(numbers(10_000)))))
    assert call.origin.answer(call, large) == "replied"
    assert call.origin.answer(call, large) == "gone"
    assert call.origin.waits(call)
    call.origin.give_up(Fault("TooLate", Tree("no")))
    assert "TooLate" in fault_of(await client.answer())
    assert not call.origin.waits(call)
    await until(lambda: not len(shared.computations))
    await end(listener, client)


async def test_what_json_cannot_carry_is_a_fault(make):
    raw = Tree(None, {"a": [Tree("x" * 20_000), Tree(b"raw")]})
    listener, _, _ = make(lambda message: NativeAnswer(Result(packed(raw))))
    client = await Client(listener).connect()
    client.ask(1)
    assert "no form for raw" in fault_of(await client.answer())
    await end(listener, client)


async def test_a_call_that_is_being_read_is_a_call_under_way(make, until):
    """A listener that stops waits for it; so it must be counted."""
    listener, _, shared = make(lambda message: NativeAnswer(Result(Tree(1))))
    client = await Client(listener).connect()
    client.ask(numbers(300_000))
    await until(lambda: len(shared.computations))
    listener.stop_reading()
    assert listener.calls == 1
    assert await client.answer() == (200, {"$": 1})
    await end(listener, client)


async def test_no_more_is_read_while_too_many_bytes_are_unanswered(make, until, monkeypatch):
    monkeypatch.setattr(backpressure, "MAX_PIPELINE_BYTES", 1000)
    listener, service, _ = make(lambda message: None, "sodep")
    client = await Client(listener).connect()
    call = message(1, b"/Sum", request_tail("add", Tree("x" * 600)))
    client.writer.write(call * 2)
    [peer] = await until(lambda: [one for one in listener.peers if len(service.messages) == 2])
    assert not peer.stream._reading.active
    for asked in service.messages:
        assert not peer.stream._reading.active
        assert asked.origin.answer(asked, NativeAnswer(Result(Tree(1)))) == "replied"
    await until(lambda: peer.stream._reading.active)
    await end(listener, client)


async def test_a_mistake_in_a_conversion_ends_its_connection_only(make, until, monkeypatch):
    def broken(value, token):
        yield
        raise LookupError("a mistake")

    listener, _, shared = make()
    monkeypatch.setattr(listener.form, "prepare", broken)
    client = await Client(listener).connect()
    client.ask(1)
    assert await client.reader.read() == b""
    await end(listener, client)


def reply(operation: str) -> bytes:
    return message(1, b"/", answer_tail(operation, Result(Tree(1))))


async def test_many_calls_of_one_read_are_taken_in_steps_and_in_order(make, monkeypatch):
    """Thousands of small calls in one read would keep the loop as long as a large one."""
    monkeypatch.setattr(work, "TURN", 0.0)
    listener, service, _ = make(lambda message: NativeAnswer(Result(Tree(1))), "sodep")
    one, other = await Client(listener).connect(), await Client(listener).connect()
    total = 600
    for number in range(total):
        one.writer.write(message(number, b"/Sum", request_tail(f"n{number}", Tree(1))))
    meanwhile = 0
    sizes = [len(reply(f"n{number}")) for number in range(total)]
    waiting = asyncio.ensure_future(one.reader.readexactly(sum(sizes)))
    while not waiting.done():
        other.writer.write(message(1, b"/Sum", request_tail("other", Tree(1))))
        await other.reader.readexactly(len(reply("other")))
        meanwhile += 1
    assert meanwhile > 10
    names = [one.payload[0].operation for one in service.messages]
    assert [one for one in names if one != "other"] == [f"n{number}" for number in range(total)]
    await end(listener, one, other)


async def test_batches_of_many_callers_share_the_turns_of_the_loop(make):
    def slow(message):
        time.sleep(0.001)
        return NativeAnswer(Result(Tree(1)))

    listener, service, _ = make(slow, "jsonrpc")
    clients = [await Client(listener).connect() for _ in range(5)]
    for client in clients:
        client.ask([{"jsonrpc": "2.0", "id": id, "method": "add"} for id in range(40)], "/!/Sum")
    most = before = 0
    while len(service.messages) < 200:
        await asyncio.sleep(0)
        most = max(most, len(service.messages) - before)
        before = len(service.messages)
    assert most <= 20
    for client in clients:
        _, answers = await client.answer()
        assert [one["id"] for one in answers] == list(range(40))
    await end(listener, *clients)
