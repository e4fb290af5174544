"""The process of a server that follows another one, or is followed: its files, and systemd."""

import faulthandler
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ccproxy.commands import common, succeeding
from ccproxy.commands.succeeding import SucceedingServer
from ccproxy.process.handover import JOURNAL, PIDFILE, Handed
from ccproxy.process.pidfile import PidFile
from ccproxy.server.replacement import Surrender
from ccproxy.server.takeover import NothingToReplace, Takeover

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    pidfile = x.pid
    control = x.sock
    linger = 1 s
    [routes]
"""


@pytest.fixture
def plan(ini):
    found, problems = common.load(ini(INI))
    assert found is not None, problems
    return found


def following(pair, *handed):
    """A process that takes over what is handed."""
    one = SucceedingServer()
    one.takeover = Takeover(pair()[0], handed, 7)
    return one


def test_what_stays_with_the_old_server_is_a_line_for_the_operator(pair):
    new = following(pair)
    assert SucceedingServer().left_behind == new.left_behind == ""
    new.takeover.stranded = 1
    assert new.left_behind.startswith("ccserver: 1 message waits in the memory of the replaced")
    assert new.left_behind.endswith(" drops them (stop)\n")
    new.drop_files()


def pidfile_of(old):
    return Handed(PIDFILE, 3, "", str(old.path), os.dup(old.descriptor))


def test_the_pid_file_changes_hands(plan, pair, tmp_path):
    old = SucceedingServer()
    old.take_pidfile(plan)
    [(kind, path, descriptor)] = old.files()
    assert (kind, path) == (PIDFILE, str(tmp_path / "x.pid"))
    new = following(pair, Handed(kind, 3, "", path, os.dup(descriptor)))
    new.take_pidfile(plan)
    (tmp_path / "x.pid").write_text("1")
    assert new.claim() == [3]
    assert (tmp_path / "x.pid").read_text() == str(os.getpid())
    old.surrendered(Surrender(frozenset({PIDFILE}), 1, 0.0))
    faulthandler.cancel_dump_traceback_later()
    old.drop_files()
    new.own()
    assert (tmp_path / "x.pid").exists()
    new.drop_files()
    assert not (tmp_path / "x.pid").exists()


def test_the_old_process_keeps_its_number(plan, tmp_path):
    old = SucceedingServer()
    old.take_pidfile(plan)
    (tmp_path / "x.pid").write_text("1")
    old.kept()
    assert (tmp_path / "x.pid").read_text() == str(os.getpid())
    old.drop_files()
    assert not (tmp_path / "x.pid").exists()


def test_another_pid_file_is_taken_as_ever(plan, pair, tmp_path):
    other = PidFile(tmp_path / "other")
    other.take()
    new = following(pair, pidfile_of(other))
    new.take_pidfile(plan)
    assert new.claim() == []
    assert (tmp_path / "x.pid").read_text() == str(os.getpid())
    new.drop_files()
    other.drop()


def test_without_a_pid_file(plan, pair, tmp_path):
    other = PidFile(tmp_path / "other")
    other.take()
    new = following(pair, pidfile_of(other))
    new.take_pidfile(replace(plan, server=replace(plan.server, pidfile="")))
    assert (new.claim(), new.files()) == ([], [])
    new.own(), new.kept(), new.drop_files()
    assert other.held()
    other.drop()


def test_systemd_is_told_and_a_hang_is_ended(plan, tmp_path, monkeypatch):
    armed = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *a, **b: armed.append((a, b)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        old = SucceedingServer()
        old.take_pidfile(plan)
        old.surrendered(Surrender(frozenset(), 12, 3.0))
        assert systemd.recv(100) == b"MAINPID=12"
    assert armed == [((3.0 + 2.0 + succeeding.STOP_MARGIN,), {"exit": True})]
    old.drop_files()
    assert not (tmp_path / "x.pid").exists(), "the new process has not taken it"


def test_no_server_to_replace(plan, monkeypatch, caplog):
    caplog.set_level("INFO")

    def none(places, linger):
        assert ([one.name for one in places], linger) == (["x.sock"], 2.0)
        raise NothingToReplace("no file")

    monkeypatch.setattr(succeeding, "take_over", none)
    one = SucceedingServer()
    one.take_over(plan, Path("x.ini"), 2.0)
    assert one.takeover is None
    assert "no server to replace: no file" in caplog.text


def test_standard_error_goes_on_to_the_journal(plan, pair, tmp_path, monkeypatch):
    """The new process got none of systemd: it writes to that of the old one."""
    file = tmp_path / "journal"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    found = os.fstat(descriptor)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    one = following(pair, Handed(JOURNAL, 4, "", "", descriptor))
    monkeypatch.setattr(succeeding, "take_over", lambda *given: one.takeover)
    one.take_over(plan, Path("x.ini"), 0.0)
    assert not one.use_journal(), "a terminal stays what it is"
    one.background = True
    before = os.dup(2)
    try:
        assert one.use_journal()
        assert [kind for kind, *_ in one.files()] == [JOURNAL]
        assert not one.use_journal(), "it is so already"
        os.write(2, b"a line\n")
    finally:
        os.dup2(before, 2)
        os.close(before)
    one.drop_files()
    assert file.read_text() == "a line\n"


def test_without_a_journal_nothing_changes():
    assert sys.stderr is not None
    assert not SucceedingServer().use_journal()
