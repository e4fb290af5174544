"""The control socket: what can be asked for, who may ask, and the file of the socket."""

import asyncio
import os
from dataclasses import replace

import pytest

from ccproxy.config.diff import Change, Delta
from ccproxy.config.problems import Problem
from ccproxy.core.flows import FlowTable
from ccproxy.handler import Onward
from ccproxy.process.control_socket import open_at
from ccproxy.server import control as module
from ccproxy.server.control import ControlActions, ControlServer
from ccproxy.server.reload import STOPPING, ReloadOutcome
from ccproxy.server.status import (
    FlowStatus,
    LedgerStatus,
    LossStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    Status,
    StatusPage,
    TypeStatus,
    from_json,
)
from ccproxy.server.steering import Steering
from ccproxy.server.tapping import Tapping

STATUS = Status(
    ProcessStatus("x", "/x.ini", "1", 7, 0, 1.5, 2.5, (0.1,), "Linux", "3.11", "compiled"),
    (), (), (), (RouteStatus("a", ("h:a",)),), SinksStatus(0, 0, 0, {}, ()), 0, 0,
    LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50}),
)  # fmt: skip
FLOW = FlowStatus("a.b", (), ("h:a",), "failed", 3, 30)


def no_flow(type):
    """No type is valid."""


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

    def flow(self, type):
        self.asked.append(("flow", type))
        return FLOW if type == "a.b" else None

    def onward(self, type, section):
        return Onward(f"does {type}") if section == "h:a" else None

    def losses(self):
        return StatusPage((LossStatus("a.b", "unrouted", 3, 9.0, 5.0),), 1)

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
        made = ControlActions(
            status, Observer(), Reloads(), Tapping(FlowTable(9, no_flow)), Steering(None, None)
        )
        server = ControlServer(open_at(tmp_path / "c.sock"), made, kit().log)
        server.observer, server.reloads = made._observer, made._reloads
        await server.open()
        return server

    return control


async def test_the_status_comes_as_json(control, client):
    server = await control()
    code, value = await client(server.path).ask("GET /v1/status")
    assert code == 200
    assert from_json(Status, value) == STATUS
    await server.close()
    assert not server.path.exists()


async def test_pages(control, client):
    server = await control()
    code, value = await client(server.path).ask("GET /v1/status/flows?after=a%20b&most=7")
    assert (code, value["next"], value["total"], value["items"][0]["type"]) == (
        200,
        "a.b",
        9,
        "a.b",
    )
    assert (await client(server.path).ask("GET /v1/status/peers"))[0] == 200
    assert (await client(server.path).ask("GET /v1/status/types?most=1000"))[1]["items"][0][
        "messages"
    ] == 3
    assert server.observer.asked == [("flows", "a b", 7), ("peers", "", 100), ("types", 1000)]
    await server.close()


async def test_one_flow_and_what_was_lost(control, client):
    server = await control()
    one = client(server.path)
    assert (await one.ask("GET /v1/status/flow?type=a.b"))[1]["fate"] == "failed"
    assert (await one.ask("GET /v1/status/flow?type=x"))[0] == 404
    assert (await one.ask("GET /v1/status/losses"))[1]["items"][0]["reason"] == "unrouted"
    assert (await one.ask("POST /v1/drop-peer"))[0] == 400
    assert (await one.ask("GET /v1/pause?link=h:x"))[0] == 405
    await server.close()


CHANGE = Change(Delta(added=("listen:x",)), Delta(), True, (), ())
MISTAKE = Problem("x.ini", 3, "nothing works", "write less")


async def test_what_a_handler_does_with_a_type(control, client):
    server = await control()
    code, value = await client(server.path).ask("GET /v1/status/onward?type=a.b&section=h:a")
    assert (code, value["text"]) == (200, "does a.b")
    code, value = await client(server.path).ask("GET /v1/status/onward?type=a.b&section=h:b")
    assert (code, value["error"]) == (404, "no handler of this section runs")
    await server.close()


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (ReloadOutcome(True, "listeners added: listen:x", CHANGE), 200),
        (ReloadOutcome(False, "the old stays", None, (MISTAKE,)), 422),
        (ReloadOutcome(False, "[h:x] cannot start", None, (replace(MISTAKE, warning=True),)), 409),
        (STOPPING, 409),
    ],
)
async def test_a_reload_is_waited_for(control, client, outcome, code):
    server = await control()
    one = client(server.path)
    reader, writer = await one.begin(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n")
    while not server.requests.connections:
        await asyncio.sleep(0)
    assert (await client(server.path).ask("GET /v1/status"))[
        0
    ] == 200  # others are answered meanwhile
    server.reloads.answer.set_result(outcome)
    found, value = await one.received(reader, writer)
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
        ("GET /v1/tap?prefx=a", 400, "expected prefix and from and to and body"),
        ("GET /v1/tap", 400, "prefix is missing"),
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
async def test_a_request_that_means_nothing_is_told_why(control, client, line, code, why):
    server = await control()
    found, value = await client(server.path).ask(line)
    assert (found, why in value["error"]) == (code, True), value
    assert server.observer.asked == []
    await server.close()


async def test_another_user_is_refused(control, client, monkeypatch, caplog):
    monkeypatch.setattr(module, "peer_user", lambda sock: os.geteuid() + 1)
    server = await control()
    code, value = await client(server.path).ask("POST /v1/reload")
    assert (code, "may not use this socket" in value["error"]) == (403, True)
    assert f"control socket refused user={os.geteuid() + 1}" in caplog.text
    await server.close()
