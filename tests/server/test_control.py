"""The control socket as clients meet it: answers, refusals, limits, the end."""

import asyncio
import gc
import json
import os
import re
import socket
from contextlib import suppress
from dataclasses import replace

import pytest

from ccproxy.config.diff import Change, Delta
from ccproxy.config.problems import Problem
from ccproxy.process.control_socket import open_at
from ccproxy.server import control as module
from ccproxy.server.control import ControlActions, ControlServer, as_json
from ccproxy.server.reload import STOPPING, ReloadOutcome
from ccproxy.server.status import (
    FlowStatus,
    LedgerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    Status,
    StatusPage,
    TypeStatus,
    from_json,
)

STATUS = Status(
    ProcessStatus("x", "/x.ini", "1", 7, 0, 1.5, 2.5, (0.1,), "Linux", "3.11", "compiled"),
    (), (), (), (RouteStatus("a", ("h:a",)),), SinksStatus(0, 0, 0, {}, ()), 0, 0,
    LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50}),
)  # fmt: skip
FLOW = FlowStatus("a.b", (), ("h:a",), "failed", 3, 30)


class Observer:
    """Remembers what was asked for."""

    def __init__(self):
        self.asked = []

    async def peers(self, after, most):
        self.asked.append(("peers", after, most))
        return StatusPage((), 0)

    async def flows(self, after, most):
        self.asked.append(("flows", after, most))
        return StatusPage((FLOW,), 9, "a.b")

    async def types(self, most):
        self.asked.append(("types", most))
        return StatusPage((TypeStatus("a", 3, 30),), 1)


class Reloads:
    """Answers what it is told to, when it is told to."""

    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    async def outcome(self):
        return await self.answer


@pytest.fixture
def control(kit, tmp_path):
    """A control server on a socket; to be called on the loop."""

    async def control(status=lambda: STATUS):
        made = ControlActions(status, Observer(), Reloads())
        server = ControlServer(open_at(tmp_path / "c.sock"), made, kit().log)
        server.observer, server.reloads = made._observer, made._reloads
        await server.open()
        return server

    return control


async def send(server, data, wait=True):
    """Send bytes: the code and the value that come back, or the streams if not to be waited for."""
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(data)
    if not wait:
        return reader, writer
    return await received(reader, writer)


async def received(reader, writer):
    """What a client gets; a connection that is closed without an answer is code 0."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        return int(head.split()[1]), json.loads(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, None
    finally:
        writer.transport.abort()


async def ask(server, line, headers=""):
    return await send(server, f"{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())


async def test_the_status_comes_as_json(control):
    server = await control()
    code, value = await ask(server, "GET /v1/status")
    assert code == 200
    assert from_json(Status, value) == STATUS
    await server.close()
    assert not server.path.exists()


async def test_pages(control):
    server = await control()
    code, value = await ask(server, "GET /v1/status/flows?after=a%20b&most=7")
    assert (code, value["next"], value["total"], value["items"][0]["type"]) == (
        200,
        "a.b",
        9,
        "a.b",
    )
    assert (await ask(server, "GET /v1/status/peers"))[0] == 200
    assert (await ask(server, "GET /v1/status/types?most=1000"))[1]["items"][0]["messages"] == 3
    assert server.observer.asked == [("flows", "a b", 7), ("peers", "", 100), ("types", 1000)]
    await server.close()


BEGUN = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"
CHANGE = Change(Delta(added=("listen:x",)), Delta(), True, (), ())
MISTAKE = Problem("x.ini", 3, "nothing works", "write less")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (ReloadOutcome(True, "listeners added: listen:x", CHANGE), 200),
        (ReloadOutcome(False, "the old stays", None, (MISTAKE,)), 422),
        (ReloadOutcome(False, "[h:x] cannot start", None, (replace(MISTAKE, warning=True),)), 409),
        (STOPPING, 409),
    ],
)
async def test_a_reload_is_waited_for(control, outcome, code):
    server = await control()
    reader, writer = await send(server, b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n", wait=False)
    while not server._connections:
        await asyncio.sleep(0)
    assert (await ask(server, "GET /v1/status"))[0] == 200  # others are answered meanwhile
    server.reloads.answer.set_result(outcome)
    found, value = await received(reader, writer)
    assert (found, value["adopted"], value["text"]) == (code, outcome.adopted, outcome.text)
    assert [one["what"] for one in value["problems"]] == [one.what for one in outcome.problems]
    if outcome.change:
        assert value["change"]["listeners"]["added"] == ["listen:x"]
    await server.close()


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("GET /", 404, "known are /v1/status, "),
        ("GET /v2/status", 404, "nothing is at this path"),
        ("DELETE /v1/status", 405, "expected GET"),
        ("GET /v1/reload", 405, "expected POST"),
        ("GET /v1/status?x=1", 400, "unknown parameter 'x'"),
        ("GET /v1/status/types?after=a", 400, "expected most"),
        ("GET /v1/status/flows?most=0", 400, "from 1 to 1000"),
        ("GET /v1/status/flows?most=1001", 400, "from 1 to 1000"),
        ("GET /v1/status/flows?most=-5", 400, "from 1 to 1000"),
        ("GET /v1/status/flows?most=" + "9" * 5000, 400, "from 1 to 1000"),
        ("GET /v1/status/flows?" + "a=1&" * 50, 400, "Max number of fields"),
        ("GET http://[/v1/status", 400, "Invalid IPv6"),
    ],
)
async def test_a_request_that_means_nothing_is_told_why(control, line, code, why):
    server = await control()
    found, value = await ask(server, line)
    assert (found, why in value["error"]) == (code, True), value
    assert server.observer.asked == []
    await server.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x00\x01\x02" * 10 + b"\r\n\r\n", 400),
        (BEGUN + b"X: " + b"x" * 100_000, 431),
        (BEGUN + b"Content-Length: 99999\r\n\r\n" + bytes(99_999), 413),
    ],
)
async def test_what_is_no_request_or_too_long_is_refused(control, data, code):
    server = await control()
    assert (await send(server, data))[0] == code
    assert (await ask(server, "GET /v1/status"))[0] == 200
    await server.close()


async def test_a_small_body_is_ignored(control):
    server = await control()
    line = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    assert (await send(server, line))[0] == 200
    await server.close()


async def test_a_client_that_says_nothing_is_let_go(control, monkeypatch):
    monkeypatch.setattr(module, "CLIENT_TIMEOUT", 0.01)
    server = await control()
    for data in (b"", b"GET /v1/sta"):
        assert await send(server, data) == (0, None)
    await server.close()


async def test_a_client_that_goes_away_leaves_nothing(control, until, caplog):
    server = await control()
    for data in (b"", b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"):
        _, writer = await send(server, data, wait=False)
        writer.transport.abort()
    await until(lambda: not server._connections)
    assert caplog.text == ""
    await server.close()


async def test_a_client_that_does_not_read_holds_up_no_other(control, monkeypatch, until):
    monkeypatch.setattr(module, "CLIENT_TIMEOUT", 0.05)
    routes = tuple(RouteStatus(f"a.{number}", ("h:a",) * 100) for number in range(5000))
    server = await control(lambda: replace(STATUS, routes=routes))
    line = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
    _, writer = await send(server, line, wait=False)
    await until(lambda: server._connections)
    await until(lambda: not server._connections)
    writer.transport.abort()
    await server.close()


async def test_connections_are_bounded(control, monkeypatch, until):
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    server = await control()
    waiting = [await send(server, b"", wait=False) for _ in range(3)]
    await until(lambda: len(server._connections) == 3)
    code, value = await ask(server, "GET /v1/status")
    assert (code, value["error"]) == (503, "there are 3 connections already")
    for _, writer in waiting:
        writer.transport.abort()
    await until(lambda: not server._connections)
    assert (await ask(server, "GET /v1/status"))[0] == 200
    await server.close()


async def test_another_user_is_refused(control, monkeypatch, caplog):
    monkeypatch.setattr(module, "peer_user", lambda sock: os.geteuid() + 1)
    server = await control()
    code, value = await ask(server, "POST /v1/reload")
    assert (code, "may not use this socket" in value["error"]) == (403, True)
    assert f"control socket refused user={os.geteuid() + 1}" in caplog.text
    await server.close()


async def test_a_fault_of_ours_costs_one_connection(control, caplog):
    def broken():
        raise OSError("on purpose")

    server = await control(broken)
    code, value = await ask(server, "GET /v1/status")
    assert (code, value["error"]) == (500, "the log of the server says why")
    assert "OSError: on purpose" in caplog.text
    assert (await ask(server, "GET /v1/status/peers"))[0] == 200
    await server.close()


async def test_the_end_waits_for_answers_under_way_but_not_for_ever(control, monkeypatch, until):
    monkeypatch.setattr(module, "LAST_ANSWERS_TIMEOUT", 0.01)
    server = await control()
    reader, writer = await send(server, b"", wait=False)
    await until(lambda: server._connections)
    await server.close()
    assert await reader.read() == b""
    assert not server.path.exists()
    writer.close()
    await writer.wait_closed()


async def test_a_long_answer_is_made_in_pieces():
    """The loop turns once for each piece, so that messages go on."""
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.ensure_future(other())
    page = StatusPage((FLOW,) * 1000, 1000)
    assert json.loads(await as_json(page))["items"][999]["type"] == "a.b"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert turns >= 1000 // module.ITEMS_AT_ONCE


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_of_the_last_moment_is_closed(control, turns, monkeypatch):
    monkeypatch.setattr(module, "LAST_ANSWERS_TIMEOUT", 0.01)
    server = await control()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.path))
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.close()
        server._server = None
        gc.collect()  # a transport that is still open would warn now
        client.settimeout(10)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
