"""The verb tap: lines, limits, and what is said without a server."""

from contextlib import contextmanager

import pytest

from ccproxy.commands import server_verb
from ccproxy.commands.tap import TapVerb, text
from ccproxy.server.control_client import NoServer, Refused
from ccproxy.server.status import (
    LedgerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    Status,
    to_json,
)

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n[routes]\na.b = h:x\n"
VALUE = {
    "time": 1000.25, "type": "a.b", "listener": "ccserver", "peer": "1.2.3.4:5",
    "to": ["h:x", "h:x"], "fate": "discarded", "bytes": 12,
}  # fmt: skip


@pytest.fixture
def answer(monkeypatch):
    """A server that sends these values, then ends; what it was asked for."""
    asked = []

    def answer(*values, error=None):
        @contextmanager
        def stream(target, where, timeout, method):
            assert method == "GET"
            asked.append(target)
            if error:
                raise error
            yield all_of()

        def all_of():
            yield from values
            raise NoServer("it has ended")

        monkeypatch.setattr(server_verb, "stream", stream)
        return asked

    return answer


def test_a_message_in_one_line():
    assert text(VALUE).endswith(".250 a.b from ccserver 1.2.3.4:5 to h:x 12 bytes")
    lost = {**VALUE, "to": [], "fate": "unrouted", "peer": ""}
    assert text(lost).endswith("a.b from ccserver to unrouted 12 bytes")
    body = {**VALUE, "frames": ["one", ""], "whole": True}
    assert text(body).endswith(' 12 bytes: one | ""')
    assert text({**body, "whole": False}).endswith(' | "" ...')
    assert text({"missed": 7}) == "(missed 7: too many to show)"


def test_no_text_of_a_stranger_reaches_the_terminal_raw():
    evil = "\x1b[2J\nfake"
    value = {**VALUE, "type": evil, "peer": evil, "listener": evil, "to": [evil], "frames": [evil],
             "whole": True}  # fmt: skip
    assert "\x1b" not in text(value) and "\n" not in text(value)


@pytest.fixture
def sections(serving):
    """A server whose routes lead to h:x."""
    status = Status(
        ProcessStatus("src", "/x.ini", "1", 7, 0, 1.0, 2.0, (0.1,), "Linux", "3", "compiled"),
        (), (), (), (RouteStatus("a", ("h:x",)),), SinksStatus(0, 0, 0, {}, ()), 0, 0,
        LedgerStatus(0, 0, {}, {}),
    )  # fmt: skip
    serving(lambda method, target: (200, to_json(status)))


def test_a_section_that_does_not_exist_is_refused(ini, call, answer, sections):
    asked = answer(VALUE)
    expected = "ccserver: --to h:nope: there is no such section; sections are h:x\n"
    assert call("tap", ini(INI), "a", "--to", "h:nope") == (1, "", expected)
    assert asked == []


@pytest.mark.parametrize(
    ("words", "why"),
    [(("echo.*",), "this is a prefix: it stands for all types under it, write echo"),
     (("a", "--limit", "0"), "from 1 on"), (("a", "--limit", "-1"), "from 1 on")],
)  # fmt: skip
def test_wrong_usage(ini, call, words, why):
    status, _, err = call("tap", ini(INI), *words)
    assert status == 2 and why in err


def test_it_ends_behind_the_last_message(ini, call, answer, sections):
    asked = answer(None, VALUE, {"missed": 3}, None, VALUE, VALUE)
    status, out, err = call("tap", ini(INI), "a", "--limit", "2", "--from", "me", "--to", "h:x")
    assert (status, err, len(out.splitlines())) == (0, "", 3)
    assert asked == ["/v1/tap?prefix=a&from=me&to=h%3Ax&body=0"]


def test_the_end_of_the_server_is_a_failure(ini, call, answer):
    answer(VALUE)
    status, out, err = call("tap", "--json", ini(INI), "*", "--body")
    assert (status, err) == (1, "ccserver: it has ended\n")
    assert '"type": "a.b"' in out


@pytest.mark.parametrize("error", [NoServer("nobody"), Refused("too many")])
def test_what_is_not_answered(ini, call, answer, error):
    answer(error=error)
    assert call("tap", ini(INI), "*") == (1, "", f"ccserver: {error}\n")


def test_a_file_that_names_no_socket(ini, call):
    assert call("tap", ini(INI + "[ccserver]\n"), "*")[0] == 1
    status, _, err = call("tap", ini(INI.replace("\n[r", "\ncontrol = ~/x\n[r")), "*")
    assert status == 78 and "a path without ~" in err


def test_a_shell_is_offered_the_prefixes(ini):
    verb = TapVerb()
    assert list(verb.candidates("TYPE", ini(INI))) == ["a.b"]
    assert list(verb.candidates("PEER", "x.ini")) == []
