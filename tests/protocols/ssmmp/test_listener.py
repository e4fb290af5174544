"""SSMMP as plain text: texts become messages, and answers are written in the peer's framing."""

import asyncio

import pytest

from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import NativeAnswer, Reply
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver
from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp import listener as texts
from ccproxy.protocols.ssmmp.listener import MAX_UNREADABLE, TextListener
from ccproxy.protocols.ssmmp.protocol import SsmmpProtocol

REQUEST = (
    b"type: initiation_request\nmessage_id: 1\n"
    b"agent_network_address: ::1\nservice_repository: (a)\n\n"
)
TILDE = REQUEST.strip().replace(b"\n", b" ~ ") + b"\n"
WELCOME = "type: initiation_response\nmessage_id: 1\nstatus: 200\n"


class Remembering:
    """A handler that stores its messages."""

    name = "h:test"
    exclusive = False

    def __init__(self):
        self.messages = []

    def decide(self, type):
        return Deliver()

    def handle(self, message):
        self.messages.append(message)


@pytest.fixture
def make(kit):
    def make(**options):
        shared = kit()
        handler = Remembering()
        shared.switch.configure(Routes([("ssmmp", ("h:test",))]), {"h:test": handler}, {})
        plan = ListenerPlan(
            "listen:t", "ssmmp", SsmmpProtocol, "tcp://127.0.0.1:0", ListenerOptions(**options), 1
        )
        listener = TextListener(plan, shared)
        listener.acceptor.open(plan.options)
        listener.acceptor.accept()
        return listener, handler, shared

    return make


async def connect(listener):
    port = int(listener.acceptor.bound.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port)


async def finish(listener, writer):
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    listener.acceptor.close()
    await listener.close_peers("end", 1.0)
    listener._sweep.stop()


@pytest.mark.parametrize(("request_", "begins"), [(REQUEST, b"type: i"), (TILDE, b"type: i")])
async def test_messages_and_answers(make, until, request_, begins):
    listener, handler, _ = make()
    reader, writer = await connect(listener)
    writer.write(request_)
    await until(lambda: handler.messages)
    [message] = handler.messages
    assert message.type == "ssmmp.initiation_request"
    assert message.value() == {"text": request_.decode().strip()}
    assert message.payload[-1] == ssmmp.parse(request_.strip())
    for answer in (Reply("ssmmp.initiation_response", {"text": WELCOME}), NativeAnswer(WELCOME)):
        assert message.origin.answer(message, answer) == "replied"
        line = await reader.readline()
        assert (b" ~ " in line) == (request_ is TILDE)
        if request_ is REQUEST:
            await reader.readuntil(b"\n\n")
    assert message.origin.answer(message, NativeAnswer(b"as it is\n")) == "replied"
    assert await reader.readline() == b"as it is\n"
    await finish(listener, writer)


async def test_an_empty_answer_closes_behind_what_waits(make, until):
    listener, handler, shared = make()
    gone = []
    shared.departures.append(gone.append)
    reader, writer = await connect(listener)
    writer.write(REQUEST)
    await until(lambda: handler.messages)
    [message] = handler.messages
    message.origin.answer(message, NativeAnswer(b"last\n"))
    message.origin.answer(message, NativeAnswer(b""))
    assert await reader.read() == b"last\n"
    await until(lambda: gone)
    assert gone == [message.route[0]]
    assert message.origin.answer(message, NativeAnswer(b"more\n")) == "gone"
    await finish(listener, writer)


async def test_a_peer_that_is_to_be_closed_and_reads_nothing(make, until, monkeypatch):
    monkeypatch.setattr(texts, "MESSAGE_TIMEOUT", 0.05)
    listener, handler, _ = make()
    _, writer = await connect(listener)
    writer.write(REQUEST)
    await until(lambda: handler.messages)
    [message] = handler.messages
    message.origin.answer(message, NativeAnswer(b"x" * 20_000_000))
    message.origin.answer(message, NativeAnswer(b""))
    await until(lambda: not listener.peers)
    await finish(listener, writer)


async def test_what_cannot_be_read_is_answered_and_at_last_closed(make, until):
    listener, handler, shared = make()
    reader, writer = await connect(listener)
    writer.write(b"type: initiation_request\nmessage_id: 7\n\n")
    answer = await reader.readuntil(b"\n\n")
    assert b"message_id: 7\nstatus: 400" in answer
    writer.write(b"nonsense: x\n\n" * MAX_UNREADABLE)
    assert await reader.read() == b""
    assert handler.messages == []
    assert shared.switch.ledger.fates["malformed"] == MAX_UNREADABLE + 1
    await finish(listener, writer)


async def test_half_a_message_is_not_waited_for(make, until, monkeypatch):
    monkeypatch.setattr(texts, "MESSAGE_TIMEOUT", 0.05)
    listener, _, _ = make()
    reader, writer = await connect(listener)
    writer.write(b"type: x\n")
    assert await reader.read() == b""
    await finish(listener, writer)


async def test_a_web_page_is_not_obeyed(make, until):
    """A body of text/plain behind an HTTP head could hold a whole message."""
    listener, handler, shared = make()
    reader, writer = await connect(listener)
    writer.write(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n"
        b"type: initiation_request\nmessage_id: 1\nagent_network_address: ::1\n\n"
    )
    assert await reader.read() == b""
    assert handler.messages == [] and shared.switch.ledger.fates == {"malformed": 1}
    await finish(listener, writer)


async def test_bad_messages_in_a_row_end_the_connection(make, until):
    listener, _, shared = make()
    reader, writer = await connect(listener)
    bad = b"type: initiation_request\nmessage_id: 1\n\n"
    writer.write(bad * 20_000)
    await until(lambda: not listener.peers)
    assert shared.switch.ledger.fates == {"malformed": texts.MAX_MALFORMED}
    await finish(listener, writer)
