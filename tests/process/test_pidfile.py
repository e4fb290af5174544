"""Pid files: taken, stale, corrupt, given up; signals by pid file."""

import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from ccproxy.process import pidfile as pidfile_module
from ccproxy.process.pidfile import PidFile, PidFileError, send_signal, wait_for_end

UNUSED_PID = 2**22 + 1
"""Larger than any process number of Linux."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.pid"


HOLDER = """
import pathlib, signal, sys
from ccproxy.process.pidfile import PidFile
file = PidFile(pathlib.Path(sys.argv[1]))
file.take()
print("taken", flush=True)
signal.pause()
"""


@pytest.fixture
def pidfile(path):
    file = PidFile(path)
    yield file
    file.drop()


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def holder(path):
    """A process that has the pid file, as a server has it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"taken\n"
    yield process
    process.kill()
    process.communicate()


def test_the_file_holds_digits_and_nothing_else(path):
    file = PidFile(path)
    assert file.take() is False
    assert path.read_text() == str(os.getpid())
    assert [one.name for one in path.parent.iterdir()] == ["x.pid"]
    file.drop()
    assert not path.exists()


def test_a_live_process_is_in_the_way(path, holder, pidfile):
    with pytest.raises(PidFileError, match=f"process {holder.pid} is alive"):
        pidfile.take()
    assert path.read_text() == str(holder.pid)
    holder.kill()
    holder.wait()
    assert pidfile.take() is True


def test_a_number_left_behind_may_be_anothers_by_now(path, sleeper):
    path.write_text(str(sleeper.pid))
    assert "is not running" in send_signal(PidFile(path), signal.SIGTERM)
    assert sleeper.poll() is None
    file = PidFile(path)
    assert file.take() is True
    assert file.held()
    file.drop()
    assert not file.held()


def test_a_server_that_takes_it_while_it_is_given_up_has_a_file(path, pidfile, monkeypatch):
    monkeypatch.setattr(pidfile_module, "TOUCH", 10)
    first = PidFile(path)
    first.take()
    threading.Timer(0.05, first.drop).start()
    pidfile.take()
    assert path.read_text() == str(os.getpid())
    assert pidfile.held()


def test_a_look_at_it_does_not_keep_a_server_from_starting(path):
    path.write_text("1")
    with path.open("rb") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        file = PidFile(path)
        assert file.take() is True
    file.drop()


def test_the_end_is_waited_for(path, holder):
    assert not wait_for_end(PidFile(path), 0.05)
    holder.terminate()
    assert wait_for_end(PidFile(path), 10)
    assert path.read_text() == str(holder.pid)


@pytest.mark.parametrize("text", [str(UNUSED_PID), "", "0", "99999999999999999999"])
def test_a_stale_file_is_not(path, text, pidfile):
    path.write_text(text)
    assert pidfile.take() is True
    assert path.read_text() == str(os.getpid())


def test_our_own_number_is_stale(path, pidfile):
    path.write_text(str(os.getpid()))  # process 1 of a container that was started again
    assert pidfile.take() is True


@pytest.mark.parametrize("text", ["abc", "-5", "12 34", "0x10", "٣", "\xff\xfe"])
def test_a_corrupt_file_is_not_touched(path, text):
    path.write_text(text, encoding="utf-8")
    for use in (PidFile(path).take, lambda: send_signal(PidFile(path), signal.SIGTERM)):
        with pytest.raises(PidFileError, match="corrupt pid file"):
            use()
    assert path.read_text(encoding="utf-8") == text


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(
        PidFileError, match=r"cannot write pid file .*missing/x.pid: there is no folder .*missing"
    ):
        PidFile(tmp_path / "missing" / "x.pid").take()


def test_only_our_own_file_is_removed(path):
    file = PidFile(path)
    file.drop()
    file.take()
    path.unlink()
    path.write_text(str(UNUSED_PID))
    file.drop()
    assert path.exists()


def test_a_signal_arrives(path, holder):
    assert send_signal(PidFile(path), signal.SIGTERM) == ""
    assert holder.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("text", [None, "", str(UNUSED_PID)])
def test_no_server_to_signal_is_a_warning(path, text):
    if text is not None:
        path.write_text(text)
    assert "the server is not running" in send_signal(PidFile(path), signal.SIGTERM)


@pytest.mark.parametrize("text", ["", "4711", "precious"])
def test_a_symbolic_link_is_not_followed(path, tmp_path, text):
    """Another user of the folder would choose which file the server empties."""
    target = tmp_path / "precious"
    target.write_text(text)
    path.symlink_to(target)
    file = PidFile(path)
    for attempt in (file.take, file.read, file.held):
        with pytest.raises(PidFileError, match=r"x\.pid: it is a symbolic link; remove it"):
            attempt()
    assert target.read_text() == text
    assert path.is_symlink()


def test_a_symbolic_link_to_nothing_makes_no_file(path, tmp_path):
    path.symlink_to(tmp_path / "absent")
    with pytest.raises(PidFileError, match="it is a symbolic link"):
        PidFile(path).take()
    assert not (tmp_path / "absent").exists()


def test_a_fifo_does_not_hold_the_start(path):
    os.mkfifo(path)
    with pytest.raises(PidFileError, match="it is no regular file"):
        PidFile(path).take()


# Another process takes over


def test_the_lock_and_the_file_change_hands(path):
    old = PidFile(path)
    old.take()
    new = PidFile(path)
    assert new.adopt(os.dup(old.descriptor))
    path.write_text("1")  # as long as nothing is written, the number stays what it is
    new.write()
    assert path.read_text() == str(os.getpid())
    old.lent = True
    old.drop()
    assert path.exists() and PidFile(path).held()
    new.lent = False
    new.drop()
    assert not path.exists()


def test_the_file_stays_if_the_new_process_ends_first(path):
    old, new = PidFile(path), PidFile(path)
    old.take()
    assert new.adopt(os.dup(old.descriptor))
    new.drop()
    assert path.exists() and old.held()
    old.drop()
    assert not path.exists()


def test_the_file_of_another_path_is_not_ours(path, tmp_path):
    other = PidFile(tmp_path / "other")
    other.take()
    descriptor = os.dup(other.descriptor)
    file = PidFile(path)
    assert not file.adopt(descriptor)
    with pytest.raises(OSError):
        os.fstat(descriptor)
    assert file.descriptor is None
    file.write()
    file.drop()
    other.drop()


def test_a_reader_finds_one_number_or_the_other_while_it_is_written(path, pidfile, monkeypatch):
    pidfile.take()
    path.write_text("1234567890")
    seen, cut = [], os.ftruncate

    def truncated(descriptor, size):
        seen.append(PidFile(path).read())
        cut(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", truncated)
    pidfile.write()
    assert seen == [os.getpid()] and path.read_text() == str(os.getpid())
