"""The functions that several verbs share."""

import pytest

from ccproxy.commands import common


@pytest.mark.parametrize(
    ("listened", "connected"),
    [
        ("tcp://127.0.0.1:5000", "tcp://127.0.0.1:5000"),
        ("tcp://*:5000", "tcp://127.0.0.1:5000"),
        ("tcp://0.0.0.0:5000", "tcp://127.0.0.1:5000"),
        ("tcp://[::]:5000", "tcp://[::1]:5000"),
        ("tcp://some.host:5000", "tcp://some.host:5000"),
        ("ipc:///tmp/x.sock", "ipc:///tmp/x.sock"),
    ],
)
def test_where_a_client_of_this_host_connects_to(listened, connected):
    assert common.reachable(listened) == connected


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1, "1 B"), (1024, "1 KiB"), (1025, "1025 B"), (64 << 20, "64 MiB"),
     (3 << 30, "3 GiB"), (1536 << 20, "1536 MiB")],
)  # fmt: skip
def test_sizes(count, text):
    assert common.size(count) == text


def test_the_pid_file_is_found_in_a_file_full_of_mistakes(ini, capsys):
    file = ini("[ccserver]\npidfile = ~/%(job_name)s.pid\nnonsense = 1\n[routes]\nx = h:none\n")
    assert common.pidfile_of(file, {}).endswith("/x.pid")
    assert not common.pidfile_of(file, {}).startswith("~")
    assert common.pidfile_of(file, {"pidfile": "other.pid"}) == "other.pid"
    assert capsys.readouterr().err == ""


def test_no_pid_file(ini, capsys):
    assert common.pidfile_of(ini("[ccserver]\n"), {}) == ""
    assert common.pidfile_of("missing.ini", {}) is None
    assert "missing.ini: cannot be read" in capsys.readouterr().err
    assert common.pidfile_of(ini("[ccserver]\npidfile = %(gone)s\n"), {}) is None
    assert "gone" in capsys.readouterr().err


def test_failing_says_why(capsys):
    assert common.fail("no luck") == 1
    assert common.fail("no luck", 2) == 2
    assert capsys.readouterr().err == "ccserver: no luck\n" * 2
