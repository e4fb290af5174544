"""The verb probe: the line and the exit status for everything that may be wrong."""

import argparse
import json
import socket
from dataclasses import replace

import pytest

from ccproxy.commands import server_verb
from ccproxy.commands.probe import Threshold, judged
from ccproxy.server.control_client import ControlReply, NoServer, TokenRefused
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    MemoryStatus,
    ProcessStatus,
    SinksStatus,
    SinkStatus,
    Status,
    to_json,
)
from tests.server.test_delivery_values import DELIVERY

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"
SINK = SinkStatus("h:next", 7, 2, 3, 300, {})
GOOD = Status(
    ProcessStatus("src", "/x.ini", "1", 7, 0, 1.0, 2.0, (0.1,), "Linux", "3.11", "compiled"),
    (ListenerStatus("ccserver", "cc", "tcp://127.0.0.1:1", 3, 0, {}),),
    (LinkStatus("h:next", "tcp://127.0.0.1:2", "up", "", 0, SINK),),
    (HandlerStatus("h:x", "echo", {}, {}),),
    (), SinksStatus(2, 3, 300, {}, ()), 3, 1,
    LedgerStatus(10, 100, {"forwarded": 10}, {"forwarded": 100}),
    memory=MemoryStatus(300, 1000),
)  # fmt: skip
DOWN = replace(GOOD.links[0], state="refused", reason="no | way")
LOSING = SinksStatus(2, 3, 300, {"full": 5}, (), {"h:next": {"full": 5}})


@pytest.fixture
def probe(ini, call, serving):
    """The exit status and the line after two looks at a server."""

    def probe(*looks, words=(), file=""):
        left = list(looks)

        def answer(method, target):
            look = left.pop(0)
            if isinstance(look, Exception):
                raise look
            return 200, to_json(look)

        serving(answer)
        status, out, _ = call("probe", file or ini(INI), "--seconds", "0.001", *words)
        [line] = out.splitlines()
        return status, line

    return probe


def test_a_server_that_is_well(probe):
    assert probe(GOOD, GOOD) == (
        0,
        "CCSERVER OK: 3 peers, 1 links up, 10 messages received, 3 wait | peers=3 received=10c "
        "lost=0c dropped=0c waiting=3 waiting_bytes=300B age=0.0s fill=0.0 memory=300B",
    )


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"links": (DOWN,)}, 1, "WARNING: h:next is refused (no / way) | "),
        ({"links": (replace(DOWN, required=True),)}, 2, "CRITICAL: h:next is refused"),
        ({"listeners": (replace(GOOD.listeners[0], listening=False),)}, 2,
         "CRITICAL: ccserver has lost its address | "),
        ({"listeners": (replace(GOOD.listeners[0], listening=False),), "draining": True}, 1,
         "WARNING: draining: no more messages are taken | "),
        ({"memory": MemoryStatus(9, 10, "tight")}, 1, "WARNING: memory is tight"),
        ({"memory": MemoryStatus(9, 10, "full")}, 2, "CRITICAL: memory is full"),
        ({"sinks": LOSING}, 1, "WARNING: h:next dropped full=5 | "),
        ({"handlers": (replace(GOOD.handlers[0], faults={"failed": 2}),)}, 1,
         "WARNING: h:x failed=2 | "),
        ({"ledger": replace(GOOD.ledger, received=13, fates={"forwarded": 10, "unrouted": 3})}, 1,
         "WARNING: 3 messages unrouted | "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(probe, changed, status, said):
    found = probe(GOOD, replace(GOOD, **changed))
    assert (found[0], said in found[1]) == (status, True), found


def test_a_spool_that_cannot_be_written(probe):
    delivery = replace(DELIVERY, spool=replace(DELIVERY.spool, problem="no | room"))
    link = replace(GOOD.links[0], delivery=delivery)
    failing = replace(GOOD, links=(link,))
    status, out = probe(failing, failing)[:2]
    assert (status, out.partition(" | ")[0]) == (
        1, "CCSERVER WARNING: h:next cannot write its spool: no / room",
    )  # fmt: skip
    required = replace(GOOD, links=(replace(link, required=True),))
    assert probe(required, required)[0] == 2


def test_what_was_lost_before_the_first_look_is_no_news(probe):
    before = replace(GOOD, sinks=LOSING, handlers=(replace(GOOD.handlers[0], faults={"slow": 1}),))
    assert probe(before, before)[0] == 0


def test_the_worst_comes_first(probe):
    bad = replace(GOOD, links=(DOWN,), memory=MemoryStatus(9, 10, "full"))
    assert "CRITICAL: memory is full; h:next is refused" in probe(GOOD, bad)[1]


@pytest.mark.parametrize(
    ("words", "status"),
    [(("--waiting", "3"), 1), (("--waiting", "4"), 0), (("--waiting", "1:3"), 2),
     (("--waiting", ":3"), 2), (("--waiting", ":4"), 0)],
)  # fmt: skip
def test_thresholds_of_what_waits(probe, words, status):
    assert probe(GOOD, GOOD, words=words)[0] == status


def test_thresholds_of_losses(probe):
    bad = replace(GOOD, sinks=LOSING)
    assert probe(GOOD, bad, words=("--lost", "6"))[0] == 0
    assert probe(GOOD, bad, words=("--lost", "1:5"))[0] == 2


def test_thresholds_of_ages(probe):
    old = replace(GOOD, sinks=replace(GOOD.sinks, age=61.5))
    assert probe(old, old)[0] == 0
    status, line = probe(old, old, words=("--oldest", "60:600"))
    assert status == 1 and "WARNING: a message has waited for 61 s | " in line
    assert " age=61.5s " in line


def test_the_same_for_programs(probe):
    bad = replace(GOOD, sinks=LOSING)
    status, line = probe(GOOD, bad, words=("--json",))
    found = json.loads(line)
    assert (status, found["grade"], found["found"]) == (1, "WARNING", ["h:next dropped full=5"])
    assert found["figures"]["waiting_bytes"] == 300
    status, line = probe(NoServer("gone | away"), words=("--json",))
    assert status == 2
    assert json.loads(line) == {"grade": "CRITICAL", "found": ["gone | away"], "figures": {}}


def test_no_server_is_critical_and_a_wrong_file_unknown(probe):
    assert probe(NoServer("no server | answers")) == (2, "CCSERVER CRITICAL: no server / answers")
    missing = NoServer("no server answers")
    assert probe(missing, file="missing.ini") == (3, "CCSERVER UNKNOWN: no server answers")


def test_a_token_that_is_refused_says_nothing_about_the_server(probe, call, tmp_path):
    assert probe(TokenRefused("needed")) == (3, "CCSERVER UNKNOWN: needed")
    words = ("probe", "http://127.0.0.1:1", "--token", str(tmp_path / "none"))
    status, out, _ = call(*words)
    assert status == 3 and out.startswith("CCSERVER UNKNOWN: --token: ")


@pytest.fixture
def silent():
    """The address of a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_a_server_that_gives_no_answer_is_critical(silent, call):
    status, out, _ = call("probe", silent, "--seconds", "0.001", "--timeout", "0.051")
    assert status == 2
    assert out == f"CCSERVER CRITICAL: {silent}: the server gives no answer within 0.05 s\n"


def test_the_time_for_the_whole_is_kept_by_both_looks(ini, call, monkeypatch):
    given = []

    def request(method, target, where, timeout):
        given.append(timeout)
        return ControlReply(where[0], 200, to_json(GOOD))

    monkeypatch.setattr(server_verb, "request", request)
    assert call("probe", ini(INI), "--seconds", "0.001")[0] == 0
    first, second = given
    assert first == pytest.approx(8) and 0 < second < first
    assert call("probe", ini(INI), "--seconds", "0.002", "--timeout", "0.001") == (
        3, "CCSERVER UNKNOWN: --timeout 0.001 is not longer than --seconds 0.002\n", ""
    )  # fmt: skip


def test_a_threshold_that_is_none(ini, call):
    status, _, err = call("probe", ini(INI), "--waiting", "many")
    assert status == 3 and "expected two numbers as in 10:100" in err


def test_what_a_restart_has_set_back_counts_from_the_restart():
    options = argparse.Namespace(
        waiting=Threshold(), oldest=Threshold(), lost=Threshold(1), failed=Threshold(1)
    )
    before = replace(GOOD, sinks=replace(LOSING, losses={"h:next": {"full": 50}}))
    after = replace(GOOD, sinks=LOSING)
    assert judged(before, after, options).found == []


@pytest.mark.parametrize(
    "words", [("--seconds", "-1"), ("--seconds", "nan"), ("--lost", "9:1"), ("--nonsense",)]
)
def test_wrong_usage_is_unknown(ini, call, words):
    status, _, err = call("probe", ini(INI), *words)
    assert status == 3 and "ccserver probe: error: " in err
