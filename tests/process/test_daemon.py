"""Pid files, signals by pid file, the way to the background, words to systemd."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from ccproxy.process import daemon
from ccproxy.process.daemon import PidFile, PidFileError

NOBODY = 2**22 + 1
"""Larger than any process number of Linux."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.pid"


HOLDER = """
import pathlib, signal, sys
from ccproxy.process.daemon import PidFile
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
    assert "is not running" in daemon.send_signal(PidFile(path), signal.SIGTERM)
    assert sleeper.poll() is None
    file = PidFile(path)
    assert file.take() is True
    assert file.held()
    file.drop()
    assert not file.held()


def test_who_takes_it_while_it_is_given_up_has_a_file_that_is_there(path, pidfile, monkeypatch):
    monkeypatch.setattr(daemon, "TOUCH", 10)
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
    assert not daemon.wait_for_end(PidFile(path), 0.05)
    holder.terminate()
    assert daemon.wait_for_end(PidFile(path), 10)
    assert path.read_text() == str(holder.pid)


@pytest.mark.parametrize("text", [str(NOBODY), "", "0", "99999999999999999999"])
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
    for use in (PidFile(path).take, lambda: daemon.send_signal(PidFile(path), signal.SIGTERM)):
        with pytest.raises(PidFileError, match="corrupt pid file"):
            use()
    assert path.read_text(encoding="utf-8") == text


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(PidFileError, match=r"cannot write pid file .*missing.*No such file"):
        PidFile(tmp_path / "missing" / "x.pid").take()


def test_only_our_own_file_is_removed(path):
    file = PidFile(path)
    file.drop()
    file.take()
    path.unlink()
    path.write_text(str(NOBODY))
    file.drop()
    assert path.exists()


def test_a_signal_arrives(path, holder):
    assert daemon.send_signal(PidFile(path), signal.SIGTERM) == ""
    assert holder.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("text", [None, "", str(NOBODY)])
def test_nobody_to_signal_is_a_warning(path, text):
    if text is not None:
        path.write_text(text)
    assert "the server is not running" in daemon.send_signal(PidFile(path), signal.SIGTERM)


HOLD = """
import os, signal
from ccproxy.process.daemon import HeldSignals
signals = HeldSignals()
signals.hold()
"""


def test_a_held_signal_is_sent_again():
    program = HOLD + (
        "os.kill(os.getpid(), signal.SIGHUP); os.kill(os.getpid(), signal.SIGHUP)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.signal(signal.SIGHUP, lambda *_: print('hup', flush=True))\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True))\n"
        "signals.release(); signals.release()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"hup\nhup\nterm\n")


def test_a_start_that_hangs_can_be_ended():
    program = HOLD + "for _ in range(2): os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert done.returncode == -signal.SIGTERM


def background(program, tmp_path):
    """Run a program that goes to the background: exit status, stdout, stderr of the parent."""
    head = "import os, sys, time\nfrom ccproxy.process.daemon import go_to_background\n"
    done = subprocess.run(
        [sys.executable, "-c", head + program], capture_output=True, text=True, timeout=30,
        cwd=tmp_path,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


START = """
line = go_to_background()
if isinstance(line, int): sys.exit(line)
"""


def test_the_parent_waits_until_the_child_is_ready(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = START + (
        "print('unheard'); print('unheard', file=sys.stderr)\n"
        "open('session', 'w').write(f'{os.getsid(0) != os.getpid()} {os.getcwd()}')\n"
        "line.ready(); line.ready()\n"
        "open('fifo').read()\n"
        "open('over', 'w').close()\n"
        "os.unlink('fifo')\n"
    )
    assert background(program, tmp_path) == (0, "", "")
    assert (tmp_path / "session").read_text() == f"True {tmp_path}"
    assert not (tmp_path / "over").exists()
    fifo.write_text("go on")


def test_a_failed_start_is_told_with_its_status(tmp_path):
    program = START + "print('the reason', file=sys.stderr); line.failed(78); line.ready()"
    assert background(program, tmp_path) == (78, "", "the reason\n")


def test_a_child_that_dies_is_told(tmp_path):
    status, out, err = background(START + "raise SystemError('broken')", tmp_path)
    assert (status, out) == (1, "")
    assert "SystemError: broken" in err
    assert err.endswith("ccserver: the background process ended before it was ready\n")


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_systemd_hears(systemd):
    daemon.notify("READY=1")
    assert systemd.recv(100) == b"READY=1"
    daemon.notify("RELOADING=1")
    first, second = systemd.recv(100).split(b"\n")
    assert first == b"RELOADING=1"
    assert int(second.removeprefix(b"MONOTONIC_USEC=")) > 0


def test_an_abstract_address(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0ccproxy-test-{os.getpid()}")
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@ccproxy-test-{os.getpid()}")
        daemon.notify("STOPPING=1")
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "relative"])
def test_nobody_listens(address, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    daemon.notify("READY=1")
