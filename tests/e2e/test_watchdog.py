"""What a supervisor sees: WATCHDOG=1 while the loop turns, and a log that programs can read."""

import json
import signal
import socket
from itertools import takewhile

import pytest

SECONDS = 60
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
log-format = json
[routes]
"""


@pytest.fixture
def start_json(start):
    """The audit at the end reads lines of text, and would find no ledger in these."""

    def start_json(**options):
        server = start(SERVER, **options)
        server.killed = True
        return server

    return start_json


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


def test_systemd_is_told_that_the_loop_turns(start_json, systemd):
    server = start_json(ready=False)
    told = list(takewhile(b"READY=1".__ne__, (systemd.recv(100) for _ in range(1000))))
    assert {*told, *(systemd.recv(100) for _ in range(3))} == {b"WATCHDOG=1"}
    server.process.send_signal(signal.SIGSTOP)
    systemd.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(200):  # what was sent before it was stopped
            systemd.recv(100)
    server.process.send_signal(signal.SIGCONT)
    systemd.settimeout(SECONDS)
    assert systemd.recv(100) == b"WATCHDOG=1"


def test_each_line_of_the_log_is_json(start_json, dial):
    server = start_json()
    dial().greet().send(b"", b"no\x1b.where", b"x")
    dial().greet().send(b"", b"no.where", b"x")
    server.wait_for("no route: no.where")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reloaded: ")
    values = [json.loads(line) for line in list(server.lines)]
    assert {one["process"] for one in values} == {server.process.pid}
    assert any(one["text"] == "dropping msg, no route: no.where" for one in values)
    assert {one["level"] for one in values} == {"INFO", "WARNING"}
    server.stop()
    texts = [json.loads(line)["text"] for line in server.lines]
    assert texts[-1].startswith("ledger received=")
