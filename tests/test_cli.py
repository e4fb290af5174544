"""The command line as a user meets it: real processes, real exit statuses, real signals."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ccproxy import __version__, cli
from ccproxy.testing import free_ports, running_server

ROOT = Path(__file__).parents[1]
TIMEOUT = 60
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = remote
pidfile = x.pid
logfile = x.log
[routes]
echo = h:echo
[h:echo]
handler = cc.handler.echo
"""


@pytest.fixture
def port():
    return free_ports(1)[0]


@pytest.fixture
def folder(tmp_path, port):
    """A directory with x.ini; a server that still runs at the end is killed."""
    (tmp_path / "x.ini").write_text(INI.format(port=port))
    yield tmp_path
    pid = (tmp_path / "x.pid").read_text() if (tmp_path / "x.pid").exists() else ""
    if pid.isdigit() and _is_ours(int(pid)):
        os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def call(folder):
    """Run ccserver to its end: exit status, stdout, stderr."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "ccproxy", *words],
            cwd=folder, capture_output=True, text=True, timeout=TIMEOUT,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


def _is_ours(pid):
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and b"ccproxy" in command.read_bytes()


def until(condition):
    """Wait for something another process does."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


@pytest.fixture
def logged(folder):
    """Wait for a text in the log, which a thread of the server writes a little later."""
    return lambda text: until(lambda: text in (folder / "x.log").read_text())


def test_version(call):
    for flag in ("-V", "--version"):
        status, out, err = call(flag)
        assert (status, err) == (0, "")
        assert re.fullmatch(
            rf"ccserver version {re.escape(__version__)}, data path (compiled|plain Python), "
            r"Python \d+\.\d+\.\d+\S*, (uvloop \S+|no uvloop)\n",
            out,
        )


def test_the_script_is_installed():
    beside = Path(sys.executable).with_name("ccserver")
    script = beside if beside.exists() else shutil.which("ccserver")
    if not script:
        pytest.skip("ccserver is not installed")
    done = subprocess.run([script, "-V"], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.startswith("ccserver version ")


def test_help(call):
    for words in (["-h"], ["--help"], ["run", "-h"]):
        status, out, err = call(*words)
        assert (status, err) == (0, "")
        assert "examples:" in out


def test_help_of_each_verb(capsys):
    for verb in cli.Verbs().names:
        with pytest.raises(SystemExit) as ended:
            cli.main([verb, "--help"])
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        assert "examples:" in out


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 1, "need config file, use --help for help."),
        (["-v"], 1, "need config file"),
        (["missing.ini"], 78, "missing.ini: cannot be read: No such file or directory"),
        (["metrics", "x.ini"], 2, 'unknown verb "metrics"; ccserver --help lists all verbs'),
        (["status", "x.ini", "--most", "5", "types"], 1, "no server answers"),
        (["status", "x.ini", "--most", "1", "types", "y"], 2, "unrecognized arguments: y"),
        (["status", "x.ini", "--moist", "0", "types"], 2, "unrecognized arguments: --moist"),
        (["chek", "x"], 2, 'unknown verb "chek"; did you mean "check"?'),
        (["--nosuch"], 2, "unrecognized arguments: --nosuch"),
        (["check"], 2, "the following arguments are required: FILE"),
        (["explain", "x.ini"], 2, "TYPE"),
        (["-s", "-r", "x.ini"], 2, "not allowed with"),
        (["-d", "--set", "pidfile=", "x.ini"], 1, "-d needs the option pidfile"),
        (
            ["-d", "--set", "logfile=/nonexistent/x.log", "x.ini"],
            1,
            "/nonexistent/x.log: there is no folder",
        ),
        (
            ["--set", "pidfile=/nonexistent/x.pid", "x.ini"],
            1,
            "/nonexistent/x.pid: there is no folder",
        ),
        (
            ["-d", "--set", "pidfile=/nonexistent/x.pid", "x.ini"],
            1,
            "/nonexistent/x.pid: there is no folder",
        ),
        (["-d", "--set", "cc-socket=nonsense", "x.ini"], 78, "tcp://HOST:PORT"),
        (["--set", "pign=yes", "x.ini"], 78, "pign"),
        (["-s", "x.ini"], 0, "no pid file x.pid, the server is not running"),
        (["-k", "x.ini"], 0, "no pid file x.pid, the server is not running"),
        (["-r", "x.ini"], 1, "no pid file x.pid, the server is not running"),
    ],
)
def test_what_does_not_start_says_why(words, status, text, call, folder):
    done = call(*words)
    assert done[0] == status
    assert text in done[2]
    assert "Traceback" not in done[2]
    assert not (folder / "x.pid").exists()


def test_a_verb_is_found_between_options():
    verbs = cli.Verbs()
    assert cli.split_verb(["-v", "run", "x.ini"], verbs) == ("run", ["-v", "x.ini"])
    assert cli.split_verb(["--set", "a=b", "x.ini"], verbs) == (None, ["--set", "a=b", "x.ini"])
    assert cli.split_verb(["x.ini", "check"], verbs) == (None, ["x.ini", "check"])
    assert cli.split_verb([], verbs) == (None, [])


def test_the_reader_of_our_output_may_go(folder):
    with subprocess.Popen(
        [sys.executable, "-m", "ccproxy", "--ini"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(TIMEOUT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_our_output_is_said_in_one_line():
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "ccproxy", "check", str(ROOT / "conf" / "src.ini")]
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "ccserver: the output cannot be written: No space left on device\n"


def test_the_life_of_a_server_in_the_background(call, folder, logged):
    assert call("-d", "x.ini") == (0, "", "")
    first = (folder / "x.pid").read_text()
    assert first.isdigit() and _is_ours(int(first))
    status, out, _ = call("send", "x.ini", "echo.request", '{"target": "me"}', "--wait", "1")
    assert status == 0 and out.startswith("echo.response ")

    for again in (["-d", "x.ini"], ["x.ini"]):
        status, _, err = call(*again)
        assert status == 1
        assert f"process {first} is alive" in err
    assert (folder / "x.pid").read_text() == first

    assert call("-r", "x.ini") == (0, "reloaded: nothing changed\n", "")
    logged("reloaded: nothing changed")
    assert call("-s", "x.ini") == (0, "", "")
    until(lambda: not (folder / "x.pid").exists())
    logged("ledger ")
    lines = (folder / "x.log").read_text().splitlines()
    assert lines[-1].endswith("ledger received=1 replied=1")


def test_kill_is_a_clean_stop_too(call, folder, logged):
    assert call("-d", "x.ini")[0] == 0
    assert call("-k", "x.ini") == (0, "", "")
    until(lambda: not (folder / "x.pid").exists())
    logged("ledger received=0")


def test_a_server_can_be_stopped_when_its_file_is_bad(call, folder, logged):
    assert call("-d", "x.ini")[0] == 0
    with (folder / "x.ini").open("a") as file:
        file.write("nonsense = 1\n")
    status, out, err = call("-r", "x.ini")
    assert (status, out) == (78, "")
    assert 'unknown option "nonsense"' in err
    logged("reload failed")
    logged('unknown option "nonsense"')
    assert call("-s", "x.ini")[0] == 0
    until(lambda: not (folder / "x.pid").exists())


def test_a_stale_pid_file_is_ignored(call, folder, logged):
    (folder / "x.pid").write_text("4194305")
    assert call("-d", "x.ini")[0] == 0
    logged("ignoring stale pid file x.pid")
    assert call("-k", "x.ini")[0] == 0
    until(lambda: not (folder / "x.pid").exists())


@pytest.mark.parametrize("flags", [[], ["-d"]])
def test_an_address_in_use(flags, call, folder, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        status, _, err = call(*flags, "x.ini")
    assert status == 1
    assert f"cannot listen on tcp://127.0.0.1:{port}: Address already in use" in err
    assert not (folder / "x.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_a_server_in_the_foreground(number, port):
    with running_server(INI.format(port=port).replace("x.", "%(config_dir)s/x.")) as server:
        assert (server.directory / "x.pid").read_text() == str(server.process.pid)
        server.process.send_signal(number)
        assert server.process.wait(TIMEOUT) == 0
        assert not (server.directory / "x.pid").exists()
    assert server.lines[-1].endswith("ledger received=0")


def test_systemd_hears_when_it_is_ready(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "notify"))
        listener.settimeout(TIMEOUT)
        with subprocess.Popen(
            [sys.executable, "-m", "ccproxy", "-q", "x.ini"],
            cwd=folder, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
        ) as process:  # fmt: skip
            try:
                assert listener.recv(100) == b"READY=1"
                process.send_signal(signal.SIGHUP)
                assert listener.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
                assert listener.recv(100) == b"READY=1"
            finally:
                process.terminate()
            assert listener.recv(100) == b"STOPPING=1"
            assert process.wait(TIMEOUT) == 0


def test_the_demonstration_shows_what_it_promises():
    done = subprocess.run(
        [sys.executable, ROOT / "contrib" / "demo" / "demo.py"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything arrived, all servers stopped cleanly" in done.stdout
    assert done.stdout.count("arrived at lux 100  dub 100") == 3
    assert len(re.findall(r"\n  (src|dst-lux|dst-dub) +received=\d+ ", done.stdout)) == 3
