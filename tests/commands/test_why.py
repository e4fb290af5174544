"""The verb why: what keeps the messages of a type from arriving."""

import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from ccproxy.commands.why import findings
from ccproxy.handler import Onward
from ccproxy.server.status import (
    FlowStatus,
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    LossStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    SinkStatus,
    Status,
    StatusPage,
    to_json,
)
from tests.server.test_delivery_values import DELIVERY

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n[routes]\na = h:next\n"
SINK = SinkStatus("h:next", 7, 2, 3, 300, {"full": 2})
STATUS = Status(
    ProcessStatus("src", "/x.ini", "1", 7, 0, 1.0, 2.0, (0.1,), "Linux", "3.11", "compiled"),
    (),
    (LinkStatus("h:next", "tcp://127.0.0.1:2", "refused", "nobody there", 0, SINK),),
    (HandlerStatus("h:x", "plugin", {}, {}, faults={"failed": 4}),),
    (RouteStatus("quiet", ("h:quiet",)), RouteStatus("echo.request", ("h:next",))),
    SinksStatus(2, 3, 300, {"full": 2}, (), {"h:next": {"full": 2}, "h:side": {"full": 9}}),
    3, 1, LedgerStatus(10, 100, {}, {}),
)  # fmt: skip
FLOW = FlowStatus("a.b", ("h:next",), ("h:x",), "discarded", 5, 50)
LOSSES = (
    LossStatus("h:next", "full", 2, 99.0, 61.0),
    LossStatus("gone.by", "unrouted", 3, 9.0, 5.0),
    LossStatus("allow:sensor", "refused", 4, 9.0, 2.0),
    LossStatus("log.x", "refused by allow:sensor", 4, 9.0, 2.0),
)


@pytest.fixture
def why(ini, call, serving):
    def why(type, flow, *words, onward=()):
        def answer(method, target):
            path = target.partition("?")[0]
            if path.endswith("/onward"):
                said = [one for name, one in onward if target.endswith(f"&section={quote(name)}")]
                return (200, to_json(said[0])) if said else (404, {"error": "none"})
            if path.endswith("/flow"):
                assert target.endswith(f"?type={type}")
                return (200, to_json(flow)) if flow else (404, {"error": "none"})
            return 200, to_json(StatusPage(LOSSES, 2) if path.endswith("/losses") else STATUS)

        serving(answer)
        return call("why", *words, ini(INI), type)

    return why


def test_a_destination_that_is_down_drops_and_raises(why):
    status, out, err = why("a.b", FLOW)
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "a.b: 5 messages, 50 bytes; they go to h:next, h:x",
        "  h:next to tcp://127.0.0.1:2 is refused: nobody there; 3 messages wait",
        "  h:next dropped full=2, the last 1 min 1 s ago",
        "  h:x: 4 calls failed",
    ]


def test_what_the_far_side_has_not_taken_and_not_acknowledged():
    link = replace(STATUS.links[0], state="up", delivery=replace(DELIVERY, refused={"full": 2}))
    found = findings("a.b", FLOW, replace(STATUS, links=(link,)), LOSSES)
    assert [one.text for one in found if one.place == "h:next"] == [
        "h:next: 3 messages wait for the acknowledgement of the far side, the oldest for 8 s",
        "h:next dropped full=2, the last 1 min 1 s ago; the far side did not take 2 messages: full",
    ]


def test_a_type_without_a_destination(why):
    flow = replace(FLOW, links=(), handlers=(), fate="unrouted")
    status, out, _ = why("a.b", flow)
    assert (status, out.splitlines()) == (
        1,
        ["a.b: 5 messages, 50 bytes; they go to nowhere, unrouted",
         "  5 messages unrouted: no route matches its type"],
    )  # fmt: skip


def test_a_type_that_is_forgotten_but_was_lost(why):
    status, out, _ = why("gone.by", None)
    assert (status, out.splitlines()) == (
        1,
        ["gone.by: no message of it came", "  3 messages had no route, the last 5 s ago",
         "  no route matches"],
    )  # fmt: skip


def test_a_type_with_nothing_in_its_way(why):
    status, out, _ = why("c", replace(FLOW, type="c", links=(), handlers=("h:quiet",)))
    assert status == 0
    assert out.splitlines()[1] == "  nothing was lost on its way, and nothing is in the way"
    assert why("quiet.x", None) == (
        0,
        "quiet.x: no message of it came; its route has h:quiet\n"
        "  nothing was lost on its way, and nothing is in the way\n",
        "",
    )


def test_a_type_that_did_not_come_since_a_reload_keeps_its_count(why):
    forgotten = FlowStatus("echo.request", (), (), "", 0, 0, 5, 50, current=False)
    status, out, _ = why("echo.request", forgotten)
    assert status == 1
    assert out.splitlines() == [
        "echo.request: 5 messages, 50 bytes, none since a reload or a destination changed its "
        "flow; its route has h:next",
        "  h:next to tcp://127.0.0.1:2 is refused: nobody there; 3 messages wait",
        "  h:next dropped full=2, the last 1 min 1 s ago",
    ]
    status, out, _ = why("a.b", replace(forgotten, type="a.b"))
    assert (status, out.splitlines()[1:]) == (1, ["  no route matches"])


SUM = ("h:x", Onward("calls sum of the service at socket://h:1", ("h:next",)))


def test_what_a_handler_says_of_the_type_and_where_it_leads(why):
    flow = replace(FLOW, links=())
    status, out, _ = why("a.b", flow, onward=[SUM])
    assert (status, out.splitlines()) == (
        1,
        ["a.b: 5 messages, 50 bytes; they go to h:x",
         "  h:x calls sum of the service at socket://h:1 ([h:next])",
         "  h:x: 4 calls failed",
         "  h:next to tcp://127.0.0.1:2 is refused: nobody there; 3 messages wait",
         "  h:next dropped full=2, the last 1 min 1 s ago"],
    )  # fmt: skip
    shown = json.loads(why("a.b", flow, "--json", onward=[SUM])[1])
    assert shown["onward"]["h:x"]["sections"] == ["h:next"]


def test_a_fault_of_a_handler_is_in_the_way(why):
    fault = Onward("answers with a fault: Unknown resource: /\x1b", wrong=True)
    status, out, _ = why("quiet.x", None, onward=[("h:quiet", fault)])
    assert status == 1
    assert out.splitlines()[1:] == ["  h:quiet answers with a fault: Unknown resource: /\\x1b"]


def test_a_misspelt_type_leads_nowhere(why):
    status, out, _ = why("quite", None)
    assert status == 1
    assert out.splitlines()[1].startswith("  no route matches; quiet does not: ")


@pytest.mark.parametrize("type", ["", "a b", ".a"])
def test_what_is_no_type_is_wrong_usage(why, type):
    status, _, err = why(type, None)
    assert status == 2 and "is no message type" in err


@pytest.mark.parametrize("flow", [None, replace(FLOW, type="log.x", links=())])
def test_what_a_peer_was_not_allowed_to_send(why, flow):
    status, out, _ = why("log.x", flow)
    assert status == 1
    assert "  4 messages not allowed: see [allow:sensor], the last 2 s ago" in out.splitlines()


def test_json_has_the_section_the_reason_and_the_number(why):
    out = why("a.b", FLOW, "--json")[1]
    found = json.loads(out)
    assert found["flow"]["type"] == "a.b"
    assert [(one["place"], one["reason"], one["messages"]) for one in found["findings"]] == [
        ("h:next", "refused", 3), ("h:next", "full", 2), ("h:x", "failed", 4),
    ]  # fmt: skip


def test_no_text_of_a_stranger_reaches_the_terminal_raw():
    evil = "\x1b[2J\nfake"
    link = replace(STATUS.links[0], reason=evil, address=evil)
    flow = replace(FLOW, type=evil, links=(), handlers=(), fate="unrouted")
    for one in (FLOW, flow):
        for finding in findings(evil, one, replace(STATUS, links=(link,)), LOSSES):
            assert "\x1b" not in finding.text and "\n" not in finding.text
