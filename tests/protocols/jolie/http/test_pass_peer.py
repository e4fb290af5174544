"""One connection whose requests are passed, with a service that a test plays."""

import asyncio
import socket
import struct

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import NativeAnswer
from ccproxy.core.rights import Rights
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http import pass_peer
from ccproxy.protocols.jolie.http.access import HttpListenerOptions
from ccproxy.protocols.jolie.http.exchange import PassedResponse
from ccproxy.protocols.jolie.http.pass_peer import names_of
from ccproxy.protocols.jolie.http.pass_server import PIECE
from ccproxy.protocols.jolie.values import io_fault


class Service:
    """The service's end; keeps what it is given."""

    def __init__(self):
        self.told = []

    def data(self, data):
        self.told.append(data)

    def end(self):
        self.told.append("end")

    def resume(self):
        self.told.append("resume")

    def abandon(self):
        self.told.append("abandon")


class Site:
    """A listener whose messages a test takes, and one connection to it."""

    def __init__(self, kit, fate="consumed", **options):
        factory = Plugins().protocol("http")
        given = HttpListenerOptions(type="web", http="pass", **options)
        plan = ListenerPlan("listen:w", "http", factory, "tcp://127.0.0.1:0", given, 1)
        self.listener = factory("http").listener(plan, kit())
        self.messages = []
        self.fate = fate
        self.listener.kit.switch.take = self._take
        self.listener.acceptor.open(given)
        self.listener.acceptor.accept()

    def _take(self, message):
        self.messages.append(message)
        return self.fate

    async def connect(self):
        port = int(self.listener.acceptor.bound.rpartition(":")[2])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(self, data, until, count):
        self.writer.write(data)
        await until(lambda: len(self.messages) == count)
        return self.messages[-1].payload[0].value

    async def close(self):
        self.writer.close()
        self.listener.acceptor.close()
        await self.listener.close_peers("done", 0.1)


GET = b"GET /a/b?c HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = PassedResponse(200, b"OK", ((b"Content-Length", b"2"),))


async def test_a_request_and_its_response(kit, until):
    site, service = Site(kit), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    [message] = site.messages
    call = message.payload[0]
    assert (message.type, call.path, call.operation) == ("web.a.b", "/a", "b")
    exchange.attach(service)
    assert service.told == ["end"]
    exchange.caller.respond(OK)
    assert exchange.caller.data(b"ok")
    exchange.caller.end()
    assert (await site.reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
    # The next one takes the same connection.
    await site.send(GET, until, 2)
    await site.close()


async def test_an_absolute_target_is_passed_as_a_path_with_its_own_host(kit, until):
    site = Site(kit)
    await site.connect()
    head = b"\r\nGET http://localhost:81/a/b?c HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    request = (await site.send(head, until, 1)).request
    assert (site.messages[0].type, request.target) == ("web.a.b", b"/a/b?c")
    headers = dict(request.headers)
    assert headers[b"Host"] == b"localhost:81" and b"localhost:81" in headers[b"Forwarded"]
    assert b"evil" not in b"".join(headers.values())
    await site.close()


async def test_a_body_waits_until_the_service_has_the_head(kit, until):
    site, service = Site(kit), Service()
    await site.connect()
    head = b"PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
    exchange = await site.send(head + b"\r\n", until, 1)
    exchange.attach(service)
    assert (await site.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    exchange.caller.pause()
    site.writer.write(b"abcd")
    await asyncio.sleep(0)
    assert service.told == []
    exchange.caller.resume()
    await until(lambda: service.told == [b"abcd", "end"])
    await site.close()


@pytest.mark.parametrize(
    ("request_", "status", "fate"),
    [
        (GET.replace(b"localhost", b"evil.example"), 421, "refused"),
        (GET.replace(b"Host", b"Origin: http://evil.example\r\nHost"), 403, "refused"),
        (GET.replace(b"Host", b"Content-Type: text/plain\r\nHost"), 415, "refused"),
        (GET.replace(b"Host", b"Upgrade: websocket\r\nHost"), 501, "refused"),
        (b"CONNECT y:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "refused"),
        (GET.replace(b"Host", b"Transfer-Encoding: odd\r\nHost"), 501, "malformed"),
        (GET.replace(b"/a/b", b"http://evil.example/a"), 421, "refused"),
        (GET.replace(b"/a/b", b"http://a@localhost/a"), 400, "malformed"),
        (GET.replace(b"/a/b", b"http://localhost/a/../b"), 400, "malformed"),
        (GET.replace(b"/a/b", b"/a/../b"), 400, "malformed"),
        (b"nonsense\r\n\r\n", 400, "malformed"),
    ],
)  # fmt: skip
async def test_what_is_not_obeyed_is_refused_and_what_cannot_be_read_malformed(
    kit, request_, status, fate
):
    site = Site(kit)
    await site.connect()
    site.writer.write(request_)
    assert (await site.reader.read()).startswith(b"HTTP/1.1 %d " % status)
    ledger = site.listener.kit.switch.ledger
    assert (ledger.received, ledger.fates, site.messages) == (1, {fate: 1}, [])
    await site.close()


async def test_a_fault_of_the_service_is_a_status_of_ours(kit, until):
    site = Site(kit)
    await site.connect()
    for number, (text, status) in enumerate(
        (("Connection refused", 502), ("No answer from the service within 3 s", 504)), 1
    ):
        await site.send(GET, until, number)
        message = site.messages[-1]
        assert message.origin.answer(message, NativeAnswer(io_fault(text))) == "replied"
        assert message.origin.answer(message, NativeAnswer(io_fault(text))) == "gone"
        answer = await site.reader.readuntil(text.encode() + b"\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
    await site.close()


async def test_a_fault_behind_the_head_cuts_the_response_off(kit, until):
    site, service = Site(kit), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    exchange.attach(service)
    exchange.caller.respond(OK)
    exchange.caller.data(b"o")
    # What was written goes out before the end.
    assert (await site.reader.readuntil(b"o")).startswith(b"HTTP/1.1 200 ")
    message = site.messages[-1]
    message.origin.answer(message, NativeAnswer(io_fault("lost")))
    assert b"HTTP/1.1 5" not in await site.reader.read()
    await site.close()


async def test_a_refusal_behind_a_whole_response_is_a_response_too(kit, until):
    site, service = Site(kit), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    exchange.attach(service)
    exchange.caller.respond(OK)
    exchange.caller.data(b"ok")
    exchange.caller.end()
    await site.reader.readuntil(b"ok")
    site.writer.write(b"nonsense\r\n\r\n")
    assert (await site.reader.read()).startswith(b"HTTP/1.1 400 ")
    await site.close()


async def test_a_head_request_has_no_body_in_a_response_of_ours(kit, until):
    site = Site(kit, "unrouted")
    await site.connect()
    await site.send(GET.replace(b"GET", b"HEAD"), until, 1)
    head = await site.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ") and b"Content-Length: 0" not in head
    await site.send(GET, until, 2)
    assert (await site.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    await site.close()


async def test_a_caller_that_leaves_is_no_longer_served(kit, until):
    site, service = Site(kit), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    exchange.attach(service)
    # A reset; a caller that only sends no more still gets its response.
    sock = site.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    site.writer.transport.abort()
    await until(lambda: service.told[-1] == "abandon")
    assert exchange.caller.gone
    await site.close()


async def test_a_service_that_never_answers_is_a_504_in_time(kit, until):
    site, service = Site(kit, timeout=0.01), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    exchange.attach(service)
    answer = await site.reader.readuntil(b"within 0.01 s")
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert service.told[-1] == "abandon"
    await site.close()


async def test_a_caller_has_time_as_long_as_it_reads_something(kit, until, monkeypatch):
    site, service = Site(kit), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    exchange.attach(service)
    exchange.caller.respond(PassedResponse(200, b"OK", ((b"Content-Length", b"1000000000"),)))
    left = [9_000_000]
    monkeypatch.setattr(pass_peer, "unsent", lambda sock: left[-1])
    while exchange.caller.data(bytes(PIECE)):
        pass
    [peer] = site.listener.peers
    late = asyncio.get_running_loop().time() + 1000.0
    left.append(8_999_999)
    peer.expire(late)
    assert peer.busy and not peer.gone
    peer.expire(late)
    assert service.told == ["end", "abandon"] and peer.gone
    await site.close()


async def test_a_service_that_takes_a_request_after_its_504_cannot_answer_it(kit, until):
    site, service = Site(kit, timeout=0.01), Service()
    await site.connect()
    exchange = await site.send(GET, until, 1)
    await site.reader.readuntil(b"within 0.01 s\n")
    exchange.attach(service)
    assert service.told == ["abandon"]
    await site.close()


@pytest.mark.parametrize(("fate", "status"), [("unrouted", 404), ("full", 503), ("failed", 502)])
async def test_a_request_without_a_handler_has_a_status_at_once(kit, until, fate, status):
    site = Site(kit, fate)
    await site.connect()
    await site.send(GET, until, 1)
    answer = await site.reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"Connection: close" not in answer
    await site.close()


async def test_a_name_in_a_certificate_limits_what_may_be_asked(kit, until):
    site = Site(kit)
    await site.connect()
    await until(lambda: site.listener.peers)
    [peer] = site.listener.peers
    peer.stream.box.owner = ("reader", "tls", "reader.example")
    rights = {("tls", "reader.example"): Rights("reader", ("web.b",))}
    site.listener.kit.switch.access.configure(rights)
    site.writer.write(GET)
    assert (await site.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
    assert not site.messages
    await site.close()


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (b"/", ()), (b"*", ()), (b"/a//b/?c/d", ("a", "b")), (b"/a%20b/%C3%A4", ("a b", "\u00e4")),
        (b"/a/../b", None), (b"/a/%2e%2E/b", None), (b"/a/.;x/b", None), (b"/a%2f..%2fb", None),
        (b"/a/...", ("a", "...")),
    ],
)  # fmt: skip
def test_the_names_in_a_path(target, names):
    assert names_of(target) == names
