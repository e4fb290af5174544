"""HTTP for few clients, on a Unix socket and on a port: answers, refusals, limits, the end."""

import asyncio
import gc
import json
import socket
from contextlib import suppress

import pytest

from ccproxy.server import channels
from ccproxy.server import requests as module
from ccproxy.server.requests import RequestError, RequestServer, WebAnswer, as_json
from ccproxy.server.status import FlowStatus, StatusPage

FLOW = FlowStatus("a.b", (), ("h:a",), "failed", 3, 30)
BEGUN = b"GET /x HTTP/1.1\r\nHost: x\r\n"
WHOLE = BEGUN + b"\r\n"


@pytest.fixture(params=["unix", "port"])
def serve(request, kit, tmp_path):
    """A server on either kind of socket, and its place; to be called on the loop."""

    async def serve(answer=None, admit=None):
        async def usual(found):
            return WebAnswer(200, json.dumps(dict(found.headers)).encode())

        if request.param == "unix":
            sock, place = socket.socket(socket.AF_UNIX), tmp_path / "s"
            sock.bind(str(place))
        else:
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            place = sock.getsockname()[1]
        sock.listen()
        sock.setblocking(False)
        server = RequestServer("tested", sock, answer or usual, kit().log, admit)
        await server.open()
        return server, place

    return serve


async def test_a_request_with_its_headers_is_answered(serve, client):
    server, place = await serve()
    code, value = await client(place).ask("GET /x", "Host: y\r\nA: 1\r\na: 2\r\n")
    assert (code, value) == (200, {"host": "y", "a": "1, 2"})
    await server.close()


async def test_an_answer_in_parts_ends_with_the_connection(serve, client):
    async def parts():
        for part in (b"one\n", b"two\n"):
            yield part

    async def answer(request):
        return WebAnswer(200, parts(), "text/plain", {"X-A": "b"})

    server, place = await serve(answer)
    reader, writer = await client(place).begin(WHOLE)
    head, body = (await reader.read()).split(b"\r\n\r\n")
    writer.transport.abort()
    assert body == b"one\ntwo\n"
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: b\r\nConnection: close"
    await server.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x00\x01\x02" * 10 + b"\r\n\r\n", 400),
        (BEGUN + b"X: " + b"x" * 100_000, 431),
        (BEGUN + b"Content-Length: 99999\r\n\r\n" + bytes(99_999), 413),
        (BEGUN + b"Content-Length: 5\r\n\r\nhello", 200),
    ],
)
async def test_what_is_no_request_or_too_long_is_refused(serve, client, data, code):
    server, place = await serve()
    assert (await client(place).send(data))[0] == code
    assert (await client(place).send(WHOLE))[0] == 200
    await server.close()


async def test_a_refusal_has_its_reason_and_its_headers(serve, client):
    async def answer(request):
        raise RequestError(401, "who are you?", {"WWW-Authenticate": "Bearer"})

    server, place = await serve(answer)
    reader, writer = await client(place).begin(WHOLE)
    head, body = (await reader.read()).split(b"\r\n\r\n")
    writer.transport.abort()
    assert b"\r\nWWW-Authenticate: Bearer\r\n" in head
    assert json.loads(body) == {"error": "who are you?"}
    await server.close()


async def test_a_connection_that_is_not_admitted_is_told_so_before_it_speaks(serve, client):
    def admit(sock):
        assert isinstance(sock.fileno(), int)
        raise RequestError(403, "no")

    server, place = await serve(admit=admit)
    assert await client(place).send(b"") == (403, {"error": "no"})
    await server.close()


async def test_a_client_that_says_nothing_is_let_go(serve, client, monkeypatch):
    monkeypatch.setattr(channels, "CLIENT_TIMEOUT", 0.01)
    server, place = await serve()
    for data in (b"", b"GET /v1/sta"):
        assert await client(place).send(data) == (0, None)
    await server.close()


async def test_a_client_that_goes_away_leaves_nothing(serve, client, until, caplog):
    server, place = await serve()
    for data in (b"", WHOLE):
        _, writer = await client(place).begin(data)
        writer.transport.abort()
    await until(lambda: not server.connections)
    assert caplog.text == ""
    await server.close()


@pytest.mark.parametrize("parts", [False, True])
async def test_a_client_that_does_not_read_is_let_go(serve, client, monkeypatch, until, parts):
    monkeypatch.setattr(channels, "CLIENT_TIMEOUT", 0.05)
    ended = []

    async def endless():
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            ended.append(True)

    async def answer(request):
        return WebAnswer(200, endless() if parts else bytes(64 << 20))

    server, place = await serve(answer)
    _, writer = await client(place).begin(WHOLE)
    await until(lambda: server.connections)
    await until(lambda: not server.connections)
    writer.transport.abort()
    assert ended == ([True] if parts else [])
    await server.close()


async def test_connections_are_bounded(serve, client, monkeypatch, until):
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    go_on = asyncio.Event()

    async def answer(request):
        await go_on.wait()
        return WebAnswer(200, b"{}")

    server, place = await serve(answer)
    waiting = [await client(place).begin(WHOLE) for _ in range(3)]
    await until(lambda: len(server.connections) == 3 and not server._unread)
    code, value = await client(place).send(WHOLE)
    assert (code, value["error"]) == (503, "there are 3 connections already")
    go_on.set()
    for one in waiting:
        assert await client(place).received(*one) == (200, {})
    await until(lambda: not server.connections)
    assert (await client(place).send(WHOLE))[0] == 200
    await server.close()


async def test_connections_that_say_nothing_keep_no_other_away(serve, client, monkeypatch, until):
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    server, place = await serve()
    silent = []
    for number in range(5):
        silent.append(await client(place).begin(b"GET /x"))
        await until(lambda number=number: len(server.connections) == min(3, number + 1))
    assert (await client(place).send(WHOLE))[0] == 200
    for reader, _ in silent[:3]:  # the oldest had to go
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    for _, writer in silent:
        writer.transport.abort()
    await until(lambda: not server.connections)
    assert (await client(place).send(WHOLE))[0] == 200
    await server.close()


async def test_a_fault_of_ours_costs_one_connection(serve, client, caplog):
    faults = [OSError("on purpose")]

    async def answer(request):
        if faults:
            raise faults.pop()
        return WebAnswer(200, b"{}")

    server, place = await serve(answer)
    assert await client(place).send(WHOLE) == (500, {"error": "the log of the server says why"})
    assert "OSError: on purpose" in caplog.text
    assert await client(place).send(WHOLE) == (200, {})
    await server.close()


async def test_the_end_waits_for_answers_under_way_but_not_for_ever(
    serve, client, monkeypatch, until
):
    monkeypatch.setattr(module, "LAST_ANSWERS_TIMEOUT", 0.01)
    server, place = await serve()
    reader, writer = await client(place).begin(b"")
    await until(lambda: server.connections)
    await server.close()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_of_the_last_moment_is_closed(serve, turns, monkeypatch):
    monkeypatch.setattr(module, "LAST_ANSWERS_TIMEOUT", 0.01)
    server, place = await serve()
    family, where = socket.AF_UNIX, str(place)
    if isinstance(place, int):
        family, where = socket.AF_INET, ("127.0.0.1", place)
    with socket.socket(family) as client:
        client.connect(where)
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.close()
        gc.collect()  # a transport that is still open would warn now
        client.settimeout(10)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


async def test_a_long_answer_is_made_in_pieces(turns):
    """The loop turns once for each piece, so that messages go on."""
    page = StatusPage((FLOW,) * 1000, 1000)
    async with turns:
        assert json.loads(await as_json(page))["items"][999]["type"] == "a.b"
    assert turns.number >= 1000 // module.ITEMS_AT_ONCE


async def test_what_comes_after_the_last_request_waits_for_another_server(serve, client):
    """The listening socket goes on, in another process; here it is answered no more."""
    server, place = await serve()
    assert (await client(place).ask("GET /x"))[0] == 200
    server.stop_accepting()
    server.stop_accepting()
    reader, writer = await client(place).open()
    writer.write(WHOLE)
    await server.close()
    assert not server.connections
    writer.transport.abort()


async def test_a_connection_may_carry_something_else(serve, client):
    """The answer to come is sent by its new owner; the server has forgotten the connection."""
    given = []

    async def answer(request):
        return WebAnswer(101, upgrade=given.append)

    server, place = await serve(answer)
    reader, writer = await client(place).begin(WHOLE)
    while not given:
        await asyncio.sleep(0)
    [sock] = given
    await server.close()
    await asyncio.get_running_loop().sock_sendall(sock, b"something else")
    assert await reader.readexactly(14) == b"something else"
    writer.write(b"an answer")
    assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"an answer"
    sock.close()
    assert await reader.read() == b""
    writer.transport.abort()
