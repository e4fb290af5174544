"""The port for the page, metrics and health: who may ask, what they get, what stays hidden."""

import json
from dataclasses import replace

import pytest

from ccproxy.core.flows import FlowTable, Target
from ccproxy.server import updates
from ccproxy.server.control import ControlActions
from ccproxy.server.monitor import Monitor, MonitorAccess, unready
from ccproxy.server.requests import RequestError, WebRequest
from ccproxy.server.status import to_json
from ccproxy.server.steering import Steering
from ccproxy.server.tapping import Tapping
from ccproxy.server.updates import Collector, Updates
from tests.server.test_hidden import STATUS
from tests.server.test_updates import Seen, value

TOKEN = b"0123456789abcdef"
RIGHT = {"authorization": f"Bearer {TOKEN.decode()}"}
HERE = {"host": "127.0.0.1:9464"}
LOCAL = MonitorAccess(b"", True, "127.0.0.1")
UNLOCKED = MonitorAccess(TOKEN, True, "127.0.0.1")
REMOTE = MonitorAccess(TOKEN, False, "*", True)
PATHS = ("/metrics", "/healthz", "/readyz", "/status.json", "/updates", "/v1/tap?prefix=*")
PAGE = ("/", "/page.js", "/page.css", "/icon.svg")


@pytest.fixture
def monitor(kit):
    """A monitor of one status, or of another."""

    def monitor(access=LOCAL, status=STATUS):
        seen = Seen()
        sent = Updates(Collector(lambda: status, seen), kit().log)
        table = FlowTable(100, lambda type: Target(fate="unrouted"))
        actions = ControlActions(lambda: status, seen, None, Tapping(table), Steering(None, None))
        return Monitor(lambda: status, access, actions.answer, sent)

    return monitor


@pytest.fixture
def get(monitor):
    """Code, body and headers of an answer; of one that goes on, its first part."""

    async def get(path, headers=HERE, access=LOCAL, status=STATUS, method="GET"):
        one = monitor(access, status)
        try:
            answer = await one.answer(WebRequest(method, path, headers))
        except RequestError as error:
            return error.code, str(error), error.headers
        if isinstance(answer.body, bytes):
            return answer.code, answer.body.decode(), answer.headers
        part = (await anext(answer.body)).decode()
        await answer.body.aclose()
        await one.close()
        return answer.code, part, answer.headers

    return get


async def test_health_and_metrics(get):
    assert (await get("/healthz"))[:2] == (200, "ok\n")
    code, text, headers = await get("/metrics?x=1")
    assert code == 200 and "ccserver_received_messages_total 5.0" in text
    assert headers["Cache-Control"] == "no-store"


async def test_the_control_socket_shows_itself_to_those_with_the_token(get):
    code, text, headers = await get("/v1/status/losses", {**HERE, **RIGHT}, UNLOCKED)
    assert (code, headers["Cache-Control"]) == (200, "no-store")
    assert json.loads(text)["items"][0]["place"] == "job0"
    code, why, headers = await get("/v1/status/losses", HERE, UNLOCKED)
    assert (code, why, headers["WWW-Authenticate"]) == (
        401, "peers and types need the token of http-token", "Bearer",
    )  # fmt: skip
    code, text, _ = await get("/v1/status", HERE, UNLOCKED)
    assert code == 200 and "10.9.8.7" not in text and "job" not in text
    assert "10.9.8.7" in (await get("/v1/status", {**HERE, **RIGHT}, UNLOCKED))[1]


@pytest.mark.parametrize("path", ["/v1/drain", "/v1/reload", "/v1/status", "/v1/x"])
async def test_the_port_changes_nothing(get, path):
    for method in ("POST", "PUT", "DELETE"):
        code, why, headers = await get(path, {**HERE, **RIGHT}, UNLOCKED, method=method)
        assert (code, headers) == (405, {"Allow": "GET"}) and "the control socket" in why


async def test_ready_says_what_is_missing(get):
    assert (await get("/readyz"))[:2] == (200, "ready\n")
    needed = replace(STATUS, links=(replace(STATUS.links[0], required=True),))
    assert (await get("/readyz", status=needed))[:2] == (503, "[h:next] is refused, and required\n")
    lost = replace(STATUS, listeners=(replace(STATUS.listeners[0], listening=False),))
    assert unready(lost) == ["[ccserver] has lost its address"]
    assert unready(replace(lost, draining=True)) == ["draining: no more messages are taken"]
    up = replace(needed, links=(replace(needed.links[0], state="up"),))
    assert unready(up) == []


async def test_without_the_token_no_names_are_shown(get):
    for access in (LOCAL, UNLOCKED):
        for path in ("/status.json", "/updates"):
            code, text, _ = await get(path, access=access)
            assert code == 200
            assert not [one for one in ("10.9.8.7", "bob", "job", "/home") if one in text]
    code, text, _ = await get("/status.json")
    found = json.loads(text)
    assert found["ledger"]["received"] == 5 and found["links"][0]["state"] == "refused"


@pytest.mark.parametrize("access", [UNLOCKED, REMOTE])
async def test_the_token_unlocks_all(get, access):
    code, text, _ = await get("/status.json", RIGHT, access)
    assert (code, json.loads(text)) == (200, json.loads(json.dumps(to_json(STATUS))))
    code, text, headers = await get("/updates", RIGHT, access)
    assert value(text.encode())["status"] == json.loads(json.dumps(to_json(STATUS)))
    assert headers["Cache-Control"] == "no-store"
    assert await get("/v1/tap?prefix=*", RIGHT, access) == (200, "\n", headers)


@pytest.mark.parametrize("path", PATHS)
async def test_other_machines_need_the_token(get, path):
    code, _, headers = await get(path, HERE, REMOTE)
    assert (code, headers) == (401, {"WWW-Authenticate": "Bearer"})
    assert (await get(path, RIGHT, REMOTE))[0] == 200


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN.decode()}", f"Bearer {TOKEN.decode()}x",
     "Bearer \xff", f"Bearer {TOKEN.decode()}, Bearer {TOKEN.decode()}"],
)  # fmt: skip
@pytest.mark.parametrize("access", [LOCAL, UNLOCKED, REMOTE, MonitorAccess(b"", False, "*")])
async def test_a_wrong_token_is_refused_also_where_none_is_needed(get, given, access):
    assert (await get("/healthz", {**HERE, "authorization": given}, access))[0] == 401


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:5", "[::1]:1"]
)
async def test_names_of_this_machine(get, host):
    assert (await get("/metrics", {"host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.com", "evil.com:9464", "127.0.0.1.evil.com", "[::1", "10.9.8.7", "a, localhost"],
)
async def test_a_host_that_a_web_page_may_have_made_its_own_is_refused(get, host):
    assert (await get("/metrics", {"host": host}))[0] == 403
    assert (await get("/metrics", {"host": host, **RIGHT}, UNLOCKED))[0] == 200


async def test_the_name_in_the_option_is_a_name_of_this_machine(get):
    access = MonitorAccess(b"", True, "me.local")
    assert (await get("/metrics", {"host": "Me.Local:9464"}, access))[0] == 200


@pytest.mark.parametrize(
    ("origin", "code"),
    [("http://127.0.0.1:9464", 200), ("http://127.0.0.1:9", 403), ("https://evil.com", 403),
     ("null", 403), ("", 403)],
)  # fmt: skip
async def test_pages_of_other_hosts_are_not_obeyed(get, origin, code):
    assert (await get("/status.json", {**HERE, "origin": origin}))[0] == code


async def test_what_is_not_there(get):
    code, text, _ = await get("/nothing")
    assert code == 404 and "known are /, /metrics, /healthz" in text


@pytest.mark.parametrize("path", [*PATHS, *PAGE])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_no_request_changes_anything(get, path, method):
    code, _, headers = await get(path, RIGHT | HERE, UNLOCKED, method=method)
    assert (code, headers) == (405, {"Allow": "GET"})


@pytest.mark.parametrize("path", PATHS)
async def test_no_request_is_answered_where_other_machines_ask_and_there_is_no_token(get, path):
    closed = MonitorAccess(b"", False, "")
    assert (await get(path, HERE, closed))[0] == 401
    assert (await get(path, {**HERE, "authorization": "Bearer "}, closed))[0] == 401


@pytest.mark.parametrize("path", PAGE)
async def test_the_files_of_the_page_need_no_token_and_a_name_of_this_machine(get, path):
    for access in (LOCAL, UNLOCKED, REMOTE):
        assert (await get(path, HERE, access))[0] == 200
    assert (await get(path, {"host": "evil.com"}, LOCAL))[0] == 403
    assert (await get(path, {**HERE, "origin": "http://evil.com"}, LOCAL))[0] == 403
    assert (await get(path, {"host": "me.example"}, REMOTE))[0] == 200


@pytest.mark.parametrize(
    ("site", "code"),
    [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)],
)
async def test_a_page_that_cannot_read_the_answer_does_not_get_one(get, site, code):
    assert (await get("/updates", {**HERE, "sec-fetch-site": site}))[0] == code
    assert (await get("/", {**HERE, "sec-fetch-site": site}))[0] == 200


async def test_the_origin_has_the_scheme_of_the_port(get):
    secure = replace(LOCAL, secure=True)
    for origin, code in (("https://127.0.0.1:9464", 200), ("http://127.0.0.1:9464", 403)):
        assert (await get("/updates", {**HERE, "origin": origin}, secure))[0] == code


async def test_a_tap_needs_the_token(get):
    assert (await get("/v1/tap?prefix=*", HERE, UNLOCKED))[0] == 401
    code, text, _ = await get("/v1/tap", RIGHT, UNLOCKED)
    assert code == 400 and "prefix is missing" in text
    assert (await get("/v1/tap?" + "a=1&" * 20, RIGHT, UNLOCKED))[0] == 400


@pytest.mark.parametrize("path", ["/updates", "/v1/tap?prefix=*"])
async def test_another_token_ends_what_goes_on(monitor, monkeypatch, path):
    monkeypatch.setattr(updates, "UPDATE_INTERVAL", 0.0)
    one = monitor(UNLOCKED)
    answer = await one.answer(WebRequest("GET", path, RIGHT))
    assert await anext(answer.body)
    one.access = replace(UNLOCKED, token=b"fedcba9876543210")
    assert [part async for part in answer.body] == []
    with pytest.raises(RequestError):
        await one.answer(WebRequest("GET", path, RIGHT))
    await one.close()
