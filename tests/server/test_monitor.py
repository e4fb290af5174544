"""The pages for programs that watch servers: who may ask, what they get, what stays hidden."""

import json
from dataclasses import replace

import pytest

from ccproxy.server.monitor import Monitor, MonitorAccess, unready, without_names
from ccproxy.server.requests import RequestError, WebRequest
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    SinkStatus,
    Status,
    to_json,
)

TOKEN = b"0123456789abcdef"
RIGHT = {"authorization": f"Bearer {TOKEN.decode()}"}
HERE = {"host": "127.0.0.1:9464"}
LOCAL = MonitorAccess(b"", True, "127.0.0.1")
UNLOCKED = MonitorAccess(TOKEN, True, "127.0.0.1")
REMOTE = MonitorAccess(TOKEN, False, "*")
SINK = SinkStatus("h:next", 9, 2, 3, 300, {"full": 4})
STATUS = Status(
    ProcessStatus("x", "/home/me/x.ini", "1", 7, 0, 1.0, 2.0, (1.5, 0.25), "L", "3", "c"),
    (ListenerStatus("ccserver", "cc", "tcp://10.9.8.7:1", 3, 1, {"accepted": 5}),),
    (LinkStatus("h:next", "tcp://10.9.8.7:3", "refused", "10.9.8.7 says no", 2, SINK),),
    (HandlerStatus("h:next", "proxy", {"job.name": "10.9.8.7"}, {"job.name": 1}, "job.name"),),
    (RouteStatus("job.name", ("h:next",)),),
    SinksStatus(4, 6, 600, {}, (replace(SINK, name="ccserver bob@10.9.8.7:5"),), {}),
    3, 9, LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50}),
)  # fmt: skip
PATHS = ("/metrics", "/healthz", "/readyz", "/status.json")


async def get(path, headers=HERE, access=LOCAL, status=STATUS, method="GET"):
    """Code, body and headers."""
    try:
        answer = await Monitor(lambda: status, access).answer(WebRequest(method, path, headers))
    except RequestError as error:
        return error.code, str(error), error.headers
    return answer.code, answer.body.decode(), answer.headers


async def test_health_and_metrics():
    assert (await get("/healthz"))[:2] == (200, "ok\n")
    code, text, headers = await get("/metrics?x=1")
    assert code == 200 and "ccserver_received_messages_total 5.0" in text
    assert headers["Cache-Control"] == "no-store"


async def test_ready_says_what_is_missing():
    assert (await get("/readyz"))[:2] == (200, "ready\n")
    needed = replace(STATUS, links=(replace(STATUS.links[0], required=True),))
    assert (await get("/readyz", status=needed))[:2] == (503, "[h:next] is refused, and required\n")
    lost = replace(STATUS, listeners=(replace(STATUS.listeners[0], listening=False),))
    assert unready(lost) == ["[ccserver] has lost its address"]
    up = replace(needed, links=(replace(needed.links[0], state="up"),))
    assert unready(up) == []


async def test_without_the_token_no_names_are_shown():
    for access in (LOCAL, UNLOCKED):
        code, text, _ = await get("/status.json", access=access)
        assert code == 200
        assert not [name for name in ("10.9.8.7", "bob", "job.name", "/home") if name in text]
    value = json.loads(text)
    assert value["ledger"]["received"] == 5
    assert value["links"][0]["state"] == "refused"
    assert value["links"][0]["sink"]["dropped"] == {"full": 4}
    assert value["sinks"]["worst"][0]["name"] == "ccserver"
    assert without_names(STATUS).peers == STATUS.peers


@pytest.mark.parametrize("access", [UNLOCKED, REMOTE])
async def test_the_token_unlocks_all(access):
    code, text, _ = await get("/status.json", RIGHT, access)
    assert (code, json.loads(text)) == (200, json.loads(json.dumps(to_json(STATUS))))


@pytest.mark.parametrize("path", PATHS)
async def test_other_machines_need_the_token(path):
    code, _, headers = await get(path, HERE, REMOTE)
    assert (code, headers) == (401, {"WWW-Authenticate": "Bearer"})
    assert (await get(path, RIGHT, REMOTE))[0] == 200


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN.decode()}", f"Bearer {TOKEN.decode()}x",
     "Bearer \xff", f"Bearer {TOKEN.decode()}, Bearer {TOKEN.decode()}"],
)  # fmt: skip
@pytest.mark.parametrize("access", [LOCAL, UNLOCKED, REMOTE, MonitorAccess(b"", False, "*")])
async def test_a_wrong_token_is_refused_also_where_none_is_needed(given, access):
    assert (await get("/healthz", {**HERE, "authorization": given}, access))[0] == 401


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:5", "[::1]:1"]
)
async def test_names_of_this_machine(host):
    assert (await get("/metrics", {"host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.com", "evil.com:9464", "127.0.0.1.evil.com", "[::1", "10.9.8.7", "a, localhost"],
)
async def test_a_host_that_a_web_page_may_have_made_its_own_is_refused(host):
    assert (await get("/metrics", {"host": host}))[0] == 403
    assert (await get("/metrics", {"host": host, **RIGHT}, UNLOCKED))[0] == 200


async def test_the_name_in_the_option_is_a_name_of_this_machine():
    access = MonitorAccess(b"", True, "me.local")
    assert (await get("/metrics", {"host": "Me.Local:9464"}, access))[0] == 200


@pytest.mark.parametrize(
    ("origin", "code"),
    [("http://127.0.0.1:9464", 200), ("http://127.0.0.1:9", 403), ("https://evil.com", 403),
     ("null", 403), ("", 403)],
)  # fmt: skip
async def test_pages_of_other_hosts_are_not_obeyed(origin, code):
    assert (await get("/status.json", {**HERE, "origin": origin}))[0] == code


async def test_what_is_not_there():
    code, text, _ = await get("/")
    assert code == 404 and "known are /metrics, /healthz" in text
    code, _, headers = await get("/metrics", method="POST")
    assert (code, headers) == (405, {"Allow": "GET"})


async def test_no_request_is_answered_where_other_machines_ask_and_there_is_no_token():
    closed = MonitorAccess(b"", False, "")
    with pytest.raises(RequestError):
        await Monitor(lambda: STATUS, closed).answer(WebRequest("GET", "/healthz", HERE))
