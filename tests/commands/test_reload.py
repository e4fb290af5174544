"""What `-r` says of each outcome: through the control socket, or by a signal."""

import json
import os
import signal
from pathlib import Path

import pytest

from ccproxy.commands import reload as module
from ccproxy.process.pidfile import PidFile
from ccproxy.server.control_client import ControlReply, NoAnswer, NoServer

INI = """\
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
pidfile = x.pid
[routes]
echo = h:echo
[h:echo]
handler = echo
"""
MISTAKE = {"file": "x.ini", "line": 3, "what": "nothing works", "hint": "", "warning": False}
WARNING = {**MISTAKE, "what": "odd", "warning": True}


@pytest.fixture
def answer(monkeypatch):
    """A server that answers this, or none."""

    def answer(value=None, code=200):
        def request(method, target, where, timeout):
            if value is None:
                raise NoServer("no server answers: X")
            assert (method, target) == ("POST", "/v1/reload")
            return ControlReply(where[0], code, value)

        monkeypatch.setattr(module, "request", request)

    return answer


@pytest.fixture
def running(ini, monkeypatch):
    """A process that has the pid file; the signals that it gets."""
    ini(INI)
    sent = []
    held = PidFile(Path("x.pid"))
    held.take()
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    yield sent
    held.drop()


@pytest.mark.parametrize("flag", ["-r", "--reload"])
def test_a_reload_says_what_changed(ini, call, answer, flag):
    answer({"adopted": True, "text": "routes changed", "change": {}, "problems": [WARNING]})
    assert call(flag, ini(INI)) == (0, "reloaded: routes changed\n", "x.ini:3: warning: odd\n")


@pytest.mark.parametrize(
    ("problems", "status", "said"),
    [
        ([MISTAKE], 78, "x.ini:3: nothing works\nccserver: reload failed: the old stays\n"),
        ([WARNING], 1, "x.ini:3: warning: odd\nccserver: reload failed: the old stays\n"),
        ([], 1, "ccserver: reload failed: the old stays\n"),
    ],
)
def test_a_reload_that_failed_says_why(ini, call, answer, problems, status, said):
    answer({"adopted": False, "text": "the old stays", "problems": problems}, 422)
    assert call("-r", ini(INI)) == (status, "", said)


def test_a_refusal(ini, call, answer):
    answer({"error": "too many"}, 503)
    status, out, err = call("-r", ini(INI))
    assert (status, out, ": too many" in err) == (1, "", True)


def test_a_server_that_has_taken_the_request_is_not_sent_a_signal_as_well(
    call, monkeypatch, running
):
    def request(method, target, where, timeout):
        raise NoAnswer("x.sock: the server gives no answer within 600 s")

    monkeypatch.setattr(module, "request", request)
    said = "ccserver: x.sock: the server gives no answer within 600 s\n"
    assert call("-r", "x.ini") == (1, "", said)
    assert running == []


def test_a_server_without_a_control_socket_is_sent_a_signal(call, answer, running):
    answer()
    status, out, err = call("-r", "x.ini")
    assert (status, out) == (0, "")
    assert "by signal, the log says what becomes of it" in err
    assert running == [signal.SIGHUP]


def test_a_bad_file_is_not_sent_by_signal(ini, call, answer, running):
    answer()
    ini(INI.replace("handler = echo", "handler = none"))
    status, out, err = call("-r", "x.ini")
    assert (status, out, running) == (78, "", [])
    assert "x.ini:8: " in err and "the server keeps its configuration" in err


def test_no_server_is_a_failure(ini, call, answer):
    answer()
    status, out, err = call("-r", ini(INI))
    assert (status, out) == (1, "")
    assert err == "ccserver: no pid file x.pid, the server is not running\n"
    status, _, err = call("-r", ini(INI.replace("pidfile = x.pid\n", "")))
    assert status == 1
    assert err == ("ccserver: no server answers: X, and the configuration names no pidfile\n")
    status, _, err = call("-r", ini(INI.replace("pidfile = x.pid", "control = no")))
    assert (status, "x.ini says control = no, and" in err) == (1, True)


@pytest.mark.parametrize(
    ("file", "status"), [(INI.replace("pidfile", "control = ~/x\npidfile"), 78), (None, 78)]
)
def test_a_file_that_names_no_place(ini, call, answer, file, status):
    answer()
    assert call("-r", ini(file) if file else "missing.ini")[0] == status


def test_a_corrupt_pid_file(ini, call, answer):
    answer()
    Path(ini(INI)).with_name("x.pid").write_text("nonsense")
    status, _, err = call("-r", "x.ini")
    assert (status, "corrupt pid file x.pid" in err) == (1, True)


# The verb


def test_the_verb_says_what_changed(ini, call, serving):
    value = {"adopted": True, "text": "routes changed", "change": {}, "problems": [WARNING]}
    asked = serving(lambda method, target: (200, value))
    assert call("reload", ini(INI)) == (0, "reloaded: routes changed\n", "x.ini:3: warning: odd\n")
    status, out, _ = call("reload", ini(INI), "--json")
    assert (status, json.loads(out)) == (0, value)
    assert asked == [("POST", "/v1/reload")] * 2


@pytest.mark.parametrize(("problems", "status"), [([MISTAKE], 78), ([WARNING], 1), ([], 1)])
def test_the_verb_says_why_nothing_changed(ini, call, serving, problems, status):
    value = {"adopted": False, "text": "the old stays", "change": None, "problems": problems}
    serving(lambda method, target: (422, value))
    found, out, err = call("reload", ini(INI))
    assert (found, out) == (status, "") and err.endswith("reload failed: the old stays\n")
    found, out, _ = call("reload", ini(INI), "--json")
    assert (found, json.loads(out)) == (status, value)


def test_the_verb_and_a_refusal(ini, call, serving):
    serving(lambda method, target: (403, {"error": "not you"}))
    status, out, err = call("reload", ini(INI))
    assert (status, out) == (1, "") and err.endswith(": not you\n")
    assert call("reload", "http://h:1")[0] == 2
