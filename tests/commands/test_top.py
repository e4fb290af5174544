"""The verb top: rates between two looks, what comes first, and the end."""

import json
from dataclasses import replace

import pytest

from ccproxy.commands.top import json_line, rate, screen
from ccproxy.server.control_client import NoServer
from ccproxy.server.status import (
    LedgerStatus,
    LinkStatus,
    ProcessStatus,
    SinksStatus,
    SinkStatus,
    Status,
    StatusPage,
    TypeStatus,
    to_json,
)
from tests.server.test_delivery_values import DELIVERY

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"
SINK = SinkStatus("h:a", 7, 100, 3, 300, {}, 2.5, 0.3)
STATUS = Status(
    ProcessStatus("src", "/x.ini", "1", 7, 0, 1000.0, 1010.0, (0.1,), "Linux", "3", "compiled"),
    (),
    (
        LinkStatus("h:a", "tcp://1:1", "up", "", 0, SINK),
        LinkStatus("h:b", "tcp://1:2", "refused", "nobody", 0, replace(SINK, sent=5)),
    ),
    (), (), SinksStatus(2, 3, 300, {}, (), age=2.5, fill=0.3), 3, 2,
    LedgerStatus(1000, 10_000, {"forwarded": 1000}, {}),
)  # fmt: skip
TYPES = {"a.x": TypeStatus("a.x", 900, 9000, ("h:a",)), "a.y": TypeStatus("a.y", 100, 10, ("h:b",))}


def later(seconds, **changed):
    process = replace(STATUS.process, time=STATUS.process.time + seconds)
    return replace(STATUS, process=process, **changed)


def test_rates_and_their_order():
    links = (replace(STATUS.links[0], sink=replace(SINK, sent=140)), STATUS.links[1])
    ledger = LedgerStatus(1100, 11_000, {"forwarded": 1060, "full": 40}, {})
    types = {"a.x": replace(TYPES["a.x"], messages=910), "a.y": replace(TYPES["a.y"], messages=190)}
    lines = list(screen((STATUS, TYPES), (later(2, links=links, ledger=ledger), types)))
    waiting = "waiting 3 (300 bytes, the oldest for 2.5 s)"
    assert lines[2] == f"received 50/s, forwarded 30/s, full 20/s, peers 3, {waiting}"
    rows = [line.split() for line in lines]
    assert [row[:3] for row in rows[5:7]] == [["h:b", "refused", "0"], ["h:a", "up", "20"]]
    assert rows[6][3:] == ["3", "2.5", "s", "30%", "-", "-"]
    assert [row for row in rows[9:]] == [["45", "0", "a.y", "h:b"], ["5", "0", "a.x", "h:a"]]


def delivering(states):
    """Links with acknowledgements in these states, and what they have under way."""
    return tuple(
        replace(STATUS.links[0], section=f"h:{at}", state=state, delivery=delivery)
        for at, (state, delivery) in enumerate(states)
    )


def test_what_links_have_under_way_trouble_first():
    memory = replace(DELIVERY, spool=None, unacknowledged=0)
    broken = replace(DELIVERY, spool=replace(DELIVERY.spool, problem="disk full"))
    states = [("up", memory), ("up", DELIVERY), ("up", broken), ("in-doubt", memory)]
    moved = [(state, replace(one, acknowledged=60, resent=6)) for state, one in states]
    before = replace(STATUS, links=delivering(states))
    after = later(2, links=delivering(moved))
    text = list(screen((before, {}), (after, {})))
    at = next(at for at, line in enumerate(text) if "UNACKNOWLEDGED" in line)
    assert [line.split() for line in text[at : at + 5]] == [
        ["LINK", "IN-DOUBT", "UNACKNOWLEDGED", "OLDEST", "ACKNOWLEDGED/S", "RESENT/S", "DOUBTS",
         "SPOOLED", "SPOOL-FILL", "SPOOL-TROUBLE"],
        ["h:3", "yes", "0", "-", "20", "1", "1", "-", "-", "-"],
        ["h:2", "no", "3", "7.5", "s", "20", "1", "1", "300", "30%", "disk", "full"],
        ["h:1", "no", "3", "7.5", "s", "20", "1", "1", "300", "30%", "-"],
        ["h:0", "no", "0", "-", "20", "1", "1", "-", "-", "-"],
    ]  # fmt: skip
    value = json.loads(json_line((before, {}), (after, {})))
    assert [(one["link"], one["in-doubt"], one["spooled"]) for one in value["delivery"]] == [
        ("h:3", True, None), ("h:2", False, 300), ("h:1", False, 300), ("h:0", False, None),
    ]  # fmt: skip


def test_a_server_that_was_started_again_counts_from_its_start():
    process = replace(STATUS.process, started=1011.0, time=1012.0)
    ledger = LedgerStatus(7, 70, {"forwarded": 7}, {})
    fresh = replace(STATUS, process=process, ledger=ledger, links=())
    lines = list(screen((STATUS, TYPES), (fresh, {})))
    assert lines[2].startswith("received 7/s, forwarded 7/s, ")


def test_a_count_that_begins_anew():
    assert (rate(None, 10, 2), rate(6, 10, 2), rate(100, 10, 2)) == (5, 2, 5)


@pytest.fixture
def server(serving):
    """A server that answers so many times."""

    def server(times):
        left = [None] * times

        def answer(method, target):
            if not left:
                raise NoServer("it has ended")
            if "/types" in target:
                return 200, to_json(StatusPage(tuple(TYPES.values()), 2))
            left.pop()
            return 200, to_json(STATUS)

        serving(answer)

    return server


def test_it_ends_after_so_many_screens(ini, call, server):
    server(9)
    status, out, err = call("top", ini(INI), "--times", "2", "--seconds", "0.01")
    assert (status, err) == (0, "")
    assert out.count("src: running for") == 2 and "\x1b" not in out


def test_a_line_of_json_for_each_look(ini, call, server):
    server(9)
    status, out, err = call("top", ini(INI), "--json", "--times", "2", "--seconds", "0.01")
    assert (status, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert first == second
    assert (first["messages"], first["waiting"], first["age"]) == (
        {"received": 0, "forwarded": 0}, 3, 2.5,
    )  # fmt: skip
    assert [one["link"] for one in first["links"]] == ["h:b", "h:a"]
    assert first["types"][0]["to"] == ["h:a"]


def test_the_end_of_the_server_is_a_failure(ini, call, server):
    server(2)
    status, out, err = call("top", ini(INI), "--seconds", "0.01")
    assert status == 1 and err == "ccserver: it has ended\n"


@pytest.mark.parametrize("words", [("--times", "0"), ("--times", "-1"), ("--seconds", "-1")])
def test_what_would_never_end_is_wrong_usage(ini, call, words):
    status, _, err = call("top", ini(INI), *words)
    assert status == 2 and "expected" in err
