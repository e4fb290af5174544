"""explain --live: the flow of a type with its destinations, from what a server answers."""

import json
from dataclasses import replace

import pytest

from ccproxy.server.status import (
    FlowStatus,
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

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"
SINK = SinkStatus("h:far", 9, 2, 3, 300, {"full": 4}, 12.5, 0.75)
STATUS = Status(
    ProcessStatus("x", "/x.ini", "1", 7, 0, 1.0, 2.0, (0.1,), "L", "3", "c"),
    (ListenerStatus("h:subs", "zmq", "tcp://1:2", 4, 0, {}),),
    (LinkStatus("h:far", "tcp://1:3", "refused", "no", 1, SINK),),
    (HandlerStatus("h:log", "locallogger", {}, {}, faults={"failed": 2}),),
    (), SinksStatus(2, 3, 300, {}, (), {"h:subs": {"full": 6}}), 1, 1, LedgerStatus(1, 1, {}, {}),
)  # fmt: skip
FLOW = FlowStatus("a.b", ("h:far", "h:subs"), ("h:log",), "discarded", 7, 70)


@pytest.fixture
def live(ini, call, serving):
    """Ask for flows of a server that has these."""

    def live(flows, *words, server=STATUS):
        def answer(method, target):
            if target == "/v1/status":
                return 200, to_json(server)
            found = flows.get(target.rpartition("=")[2])
            return (200, to_json(found)) if found else (404, {"error": "there is no flow"})

        serving(answer)
        return call("explain", "--live", *words, ini(INI), *flows)

    return live


def test_a_flow_with_its_destinations(live):
    status, out, err = live({"a.b": FLOW})
    assert (status, err) == (0, "")
    assert out == (
        "a.b: 7 messages, 70 bytes\n"
        "  TO      KIND     STATE    ADDRESS    SENT  WAITING  OLDEST  FILL  DROPPED OR FAILED\n"
        "  h:far   link     refused  tcp://1:3  2     3        12.5 s  75%   full:4\n"
        "  h:subs  peers    4 peers  tcp://1:2  -     -        -       -     full:6\n"
        "  h:log   handler  -        -          -     -        -       -     failed:2\n"
        "  counts of destinations are those of all types\n"
    )


FACTS = {
    "to": ["h:far"],
    "members": [{"section": "h:far", "state": "refused"}, {"section": "h:subs", "state": "up"}],
}


def test_a_group_is_followed_by_its_members(live):
    group = HandlerStatus("h:pair", "failover", FACTS, {})
    server = replace(STATUS, handlers=(group,))
    flow = replace(FLOW, links=("h:pair",), handlers=())
    assert live({"a.b": flow}, server=server)[1] == (
        "a.b: 7 messages, 70 bytes\n"
        "  TO      KIND   STATE              ADDRESS    SENT  WAITING  OLDEST  FILL  DROPPED OR "
        "FAILED\n"
        "  h:pair  group  1 of 2 up          -          -     -        -       -     -\n"
        "  h:far   link   refused            tcp://1:3  2     3        12.5 s  75%   full:4\n"
        "  h:subs  peers  4 peers, not used  tcp://1:2  -     -        -       -     full:6\n"
        "  counts of destinations are those of all types\n"
    )
    [found] = json.loads(live({"a.b": flow}, "--json", server=server)[1])
    assert [one["used"] for one in found["destinations"]] == [True, True, False]


def test_a_group_that_claims_to_be_a_member_of_itself_is_shown_once(live):
    facts = {"to": [], "members": [{"section": "h:pair", "state": "up"}]}
    group = HandlerStatus("h:pair", "plugin", facts, {})
    server = replace(STATUS, handlers=(group,))
    [found] = json.loads(
        live({"a.b": replace(FLOW, links=("h:pair",))}, "--json", server=server)[1]
    )
    assert [one["to"] for one in found["destinations"]] == ["h:pair", "h:pair", "h:log"]


def test_a_type_without_a_flow_and_one_that_leads_nowhere(live):
    status, out, _ = live({"a.b": None, "c": replace(FLOW, type="c", links=(), handlers=())})
    assert status == 1
    assert out.splitlines()[0] == "a.b: no message of it came; `ccserver why` follows its route"
    assert "  nowhere: they are discarded" in out


def test_a_flow_that_is_forgotten_leads_where_its_route_does(live):
    forgotten = FlowStatus("a.b", (), (), "", 0, 0, 5, 50, current=False)
    routes = (RouteStatus("a", ("h:far", "h:log")),)
    status, out, _ = live({"a.b": forgotten}, server=replace(STATUS, routes=routes))
    assert status == 0
    first, _, *rows, _ = out.splitlines()
    assert first.endswith(
        "5 messages, 50 bytes, none since a reload or a destination changed its flow; its route has"
    )
    assert [row.split()[:3] for row in rows] == [
        ["h:far", "link", "refused"], ["h:log", "handler", "-"]
    ]  # fmt: skip
    status, out, _ = live({"a.b": forgotten})
    assert status == 1 and out.splitlines()[1] == "  nowhere: they are unrouted"


@pytest.mark.parametrize(("fate", "status"), [("unrouted", 1), ("failed", 1), ("discarded", 0)])
def test_the_exit_status_says_whether_messages_are_lost(live, fate, status):
    lost = replace(FLOW, links=(), handlers=(), fate=fate)
    assert live({"a.b": lost})[0] == status


def test_a_flow_for_programs(live):
    status, out, _ = live({"a.b": FLOW, "x": None}, "--json")
    found, missing = json.loads(out)
    assert (status, missing) == (1, {"type": "x", "flow": None, "destinations": []})
    assert found["flow"]["messages"] == 7
    assert [one["kind"] for one in found["destinations"]] == ["link", "peers", "handler"]
    assert found["destinations"][0]["age"] == 12.5


def test_a_port_is_a_running_server(call):
    status, _, err = call("explain", "http://h:1", "a.b")
    assert status == 2 and "is a running server: --live" in err
