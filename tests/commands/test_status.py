"""The screen of the verb status, from a Status alone; statuses of the process; JSON."""

import json
from dataclasses import replace

import pytest

from ccproxy.commands.status import duration, log_lines, screen
from ccproxy.server.control_client import NoServer
from ccproxy.server.status import (
    DescriptorStatus,
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    LogStatus,
    MemoryStatus,
    PeerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    SinkStatus,
    Status,
    StatusPage,
    TypeStatus,
    to_json,
)

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"
SINK = SinkStatus("h:next", 7, 2, 3, 300, {"full": 2}, 61.25, 0.75)
STATUS = Status(
    ProcessStatus(
        "src", "/etc/src.ini", "1.2", 77, 0, 1000.0, 94_661.0, (0.1,), "Linux", "3.11", "compiled"
    ),
    (
        ListenerStatus(
            "ccserver",
            "cc",
            "tcp://127.0.0.1:22632",
            3,
            0,
            {"accepted": 4},
            1,
            "local",
            received=12,
        ),
    ),
    (LinkStatus("h:next", "tcp://127.0.0.1:5001", "refused", "no", 1, SINK),),
    (
        HandlerStatus("h:next", "proxy", {"state": "refused", "n": [1, 2]}, {"ping.sent": 3}),
        HandlerStatus("h:odd", "plugin", {}, {}, "KeyError: 'x'", {"failed": 4, "slow": 1}),
        HandlerStatus("h:echo", "echo", {}, {}),
    ),
    (RouteStatus("a", ("h:next",)),),
    SinksStatus(4, 3, 300, {"full": 2}, (SINK,), {"h:next": {"full": 2}}, 61.25, 0.75),
    3,
    9,
    LedgerStatus(5, 50, {"forwarded": 3, "full": 2}, {"forwarded": 30, "full": 20}),
    DescriptorStatus(57, 1024, 64),
    MemoryStatus(4096, 65536, "tight", 3, 1),
)
SCREEN = """\
ccserver 1.2, Python 3.11, data path compiled, /etc/src.ini

listeners:
  SECTION   PROTOCOL  ADDRESS                SECURITY  PEERS  SILENT  RECEIVED  CALLS  COUNTS
  ccserver  cc        tcp://127.0.0.1:22632  local         3       1        12      0  accepted:4

links:
  SECTION  ADDRESS               STATE    SENT  WAITING  OLDEST  FILL  DROPPED  RECONNECTS  REASON
  h:next   tcp://127.0.0.1:5001  refused     2        3  61.2 s  75%   full:2            1  no

waiting or dropped:
  SINK    SENT  BYTES  WAITING  OLDEST  FILL  DROPPED
  h:next     2    300        3  61.2 s  75%   full:2
  of all 4: waiting 3 (300 bytes, the oldest for 61.2 s), dropped full=2

limits:
  memory: 4096 of 65536 bytes used, tight; 3 connections held back, 1 closed
  file descriptors: 57 of 1024 used, 64 are not for peers

handlers:
  h:next (proxy): state=refused n=1,2; counted ping.sent=3
  h:odd (plugin): its status failed: KeyError: 'x'; calls that went wrong failed=4 slow=1

messages:
  received 5 (50 bytes)
  FATE       MESSAGES  MEANING
  forwarded         3  accepted by at least one outbox
  full              2  every outbox it was meant for was full

dropped on the way to a destination:
  DESTINATION  REASON  MESSAGES
  h:next       full           2"""


@pytest.fixture
def answer(serving):
    """A server that answers this, whatever it is asked; what it was asked."""

    def answer(value, code=200):
        def fixed(method, target):
            if isinstance(value, Exception):
                raise value
            return code, value

        return serving(fixed)

    return answer


def test_one_screen():
    first, *others = screen(STATUS)
    assert first.startswith("src: running for 1 d 2 h, since 1970-01-01 ")
    assert first.endswith(", process 77 of user 0")
    assert "\n".join(others) == SCREEN


def test_a_server_that_drains_says_so():
    line = list(screen(replace(STATUS, draining=True)))[2]
    assert line.startswith("draining: no more messages are taken; ") and "waiting" in line


def test_sections_that_are_empty_are_left_out():
    quiet = replace(
        STATUS, links=(), handlers=(), sinks=SinksStatus(1, 0, 0, {}, ()),
        ledger=LedgerStatus(0, 0, {}, {}),
    )  # fmt: skip
    titles = [line for line in screen(quiet) if line.endswith(":")]
    assert titles == ["listeners:", "limits:", "messages:"]
    assert list(screen(quiet))[-1] == "  received 0 (0 bytes)"


def test_no_text_of_a_stranger_reaches_the_terminal_raw():
    evil = "\x1b[2J\nfake: line"
    link = replace(STATUS.links[0], reason=evil)
    handler = HandlerStatus("h:x", "plugin", {"said": evil, evil: 1}, {evil: 1}, "")
    sink = replace(SINK, name=evil)
    status = replace(
        STATUS, links=(link,), handlers=(handler,), sinks=replace(STATUS.sinks, worst=(sink,)),
        process=replace(STATUS.process, name=evil),
    )  # fmt: skip
    lines = list(screen(status))
    assert not [line for line in lines if "\x1b" in line or "\n" in line or line == "fake: line"]
    assert sum("fake: line" in line for line in lines) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (-3, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"),
     (90_061, "1 d 1 h")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_server_of_a_file_is_asked(ini, call, answer):
    asked = answer(to_json(STATUS))
    status, out, err = call("status", ini(INI))
    assert (status, err) == (0, "")
    assert out.split("\n", 1)[1] == SCREEN + "\n"
    assert asked == [("GET", "/v1/status")]


def test_json_is_what_the_server_sent(ini, call, answer):
    value = json.loads(json.dumps(to_json(STATUS))) | {"more": 1}
    answer(value)
    status, out, _ = call("status", "--json", ini(INI))
    assert (status, json.loads(out)) == (0, value)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (INI, 1, "ccserver: no server answers: X"),
        (INI + "nonsense = 1\n", 1, "ccserver: no server answers: X"),
        (INI + "control = no\n", 1, "x.ini says control = no"),
        (INI + "control = ~/x\n", 78, "a path without ~"),
    ],
)
def test_no_server(ini, call, answer, text, code, said):
    answer(NoServer("no server answers: X"))
    status, out, err = call("status", ini(text))
    assert (status, out) == (code, "")
    assert said in err


def test_a_file_that_cannot_be_read_may_still_have_a_server(ini, call, answer):
    answer(to_json(STATUS))
    assert call("status", "missing.ini")[0] == 0
    answer(NoServer("no server answers: X"))
    status, _, err = call("status", "missing.ini")
    assert status == 78
    assert "missing.ini: cannot be read: No such file" in err
    assert "no server answers: X" in err


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [({"error": "too many"}, 503, ": too many"), ([], 200, "no status of this version")],
)
def test_something_else_is_answered(ini, call, answer, value, code, said):
    answer(value, code)
    status, out, err = call("status", ini(INI))
    assert (status, out) == (1, "")
    assert said in err


PEER = PeerStatus("ccserver", replace(SINK, name="ccserver 1.2.3.4:5"), "ann", "curve", "KEY")
PAGES = {
    "peers": [to_json(StatusPage((PEER,), 2, "x/1")), to_json(StatusPage((PEER,), 2))],
    "types": [to_json(StatusPage((TypeStatus("a.b", 7, 70, ("h:next",)),), 1))],
}


@pytest.fixture
def pages(serving):
    """A server with pages of peers and types; what it was asked."""
    left = {part: list(found) for part, found in PAGES.items()}

    def answer(method, target):
        part = target.partition("?")[0].rpartition("/")[2]
        return 200, left[part].pop(0) if part in left else to_json(STATUS)

    return serving(answer)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("listeners", ["SECTION", "ccserver", "tcp://127.0.0.1:22632", "accepted:4"]),
        ("links", ["h:next", "refused", "full:2", "61.2 s", "75%"]),
        ("routes", ["PREFIX", "a", "h:next"]),
        ("handlers", ["h:odd", "plugin", "failed:4 slow:1", "ping.sent:3", "KeyError: 'x'"]),
        ("peers", ["LISTENER", "1.2.3.4:5", "ann", "curve"]),
        ("types", ["MESSAGES", "a.b", "7", "70", "h:next"]),
    ],
)
def test_a_part(ini, call, pages, part, words):
    status, out, err = call("status", ini(INI), part)
    assert (status, err) == (0, "")
    assert [word for word in words if word not in out] == []


def test_peers_come_by_page_up_to_the_most_that_are_wanted(ini, call, pages):
    status, out, _ = call("status", "--json", ini(INI), "peers")
    assert (status, len(json.loads(out))) == (0, 2)
    assert pages == [
        ("GET", "/v1/status/peers?most=1000"), ("GET", "/v1/status/peers?most=999&after=x%2F1"),
    ]  # fmt: skip


def test_one_page_is_enough_for_one_peer(ini, call, pages):
    status, out, _ = call("status", "--json", ini(INI), "peers", "--most", "1")
    assert (status, len(json.loads(out)), len(pages)) == (0, 1, 1)


def test_a_part_as_json_is_that_of_the_server(ini, call, pages):
    out = call("status", "--json", ini(INI), "links")[1]
    assert json.loads(out) == json.loads(json.dumps(to_json(STATUS)["links"]))


def test_a_part_without_items_says_so(ini, call, serving):
    empty = to_json(StatusPage((), 0))
    serving(lambda method, target: (200, empty))
    assert call("status", ini(INI), "peers") == (0, "no peers\n", "")
    assert call("status", "--json", ini(INI), "peers") == (0, "[]\n", "")


def test_no_such_part(ini, call, pages):
    assert call("status", ini(INI), "nothing")[0] == 2


def test_a_level_of_the_log_that_was_changed():
    assert list(log_lines(LogStatus("info"))) == []
    found = list(log_lines(LogStatus("info", {"h:x": "trace"}, True)))
    assert found == ["log level info, h:x trace, until the next reload"]
