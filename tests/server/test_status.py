"""The value: it survives the way to JSON and back, and says where something else was given."""

import json

import pytest

from ccproxy.server.status import (
    FlowStatus,
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    PeerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    SinkStatus,
    Status,
    StatusPage,
    from_json,
    page_from_json,
    to_json,
)

SINK = SinkStatus("h:next", 5, 2, 1, 100, {"full": 2})
STATUS = Status(
    process=ProcessStatus(
        "x", "/x.ini", "1", 7, 0, 1.5, 2.5, (0.1, 0.2), "Linux", "3.11", "compiled"
    ),
    listeners=(ListenerStatus("ccserver", "cc", "tcp://127.0.0.1:1", 3, 0, {"accepted": 4}),),
    links=(LinkStatus("h:next", "tcp://127.0.0.1:2", "refused", "no route", 1, SINK),),
    handlers=(HandlerStatus("h:a", "echo", {"n": [1, {"x": None}]}, {"seen": 2}, "boom"),),
    routes=(RouteStatus("a.b", ("h:a", "h:next")),),
    sinks=SinksStatus(2, 1, 100, {"full": 2}, (SINK,), {"h:next": {"full": 2}}),
    peers=3,
    flows=9,
    ledger=LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50}),
)


def test_a_status_comes_back_from_json_as_it_was():
    assert from_json(Status, json.loads(json.dumps(to_json(STATUS)))) == STATUS


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (PeerStatus, StatusPage((PeerStatus("ccserver", SINK),), 1)),
        (FlowStatus, StatusPage((FlowStatus("a", ("h:next",), (), "failed", 3, 30),), 7, "a")),
    ],
)
def test_a_page_comes_back_from_json_as_it_was(kind, page):
    found = page_from_json(kind, json.loads(json.dumps(to_json(page))))
    assert found == page


def test_what_a_newer_server_says_in_addition_is_left_out():
    value = to_json(STATUS)
    value["weather"] = "fine"
    value["process"]["mood"] = 1
    assert from_json(Status, value) == STATUS


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("peers",), "three"),
        (("process",), None),
        (("process", "pid"), "7"),
        (("sinks", "worst"), 5),
        (("ledger", "fates"), []),
    ],
)
def test_something_else_is_no_status(path, wrong):
    value = json.loads(json.dumps(to_json(STATUS)))
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = wrong
    with pytest.raises(ValueError, match="no status of this version"):
        from_json(Status, value)


def test_a_part_that_is_missing_is_missed():
    value = to_json(STATUS)
    del value["ledger"]
    with pytest.raises(ValueError, match="ledger"):
        from_json(Status, value)


@pytest.mark.parametrize("wrong", [None, {}, {"items": [{}], "total": 1, "next": None},
                                   {"items": [], "total": 1, "next": 5}])  # fmt: skip
def test_something_else_is_no_page(wrong):
    with pytest.raises(ValueError, match="no page of this version"):
        page_from_json(PeerStatus, wrong)
