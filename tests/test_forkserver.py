"""Servers that are forked are as those that are started by a new Python."""

import os
import signal
import subprocess

import pytest

from ccproxy.testing.server import RunningServer
from tests.forkserver import FRESH, ForkedProcess, ForkServer

SECONDS = 60
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:0
cc-role = local
[routes]
echo = h:echo
[h:echo]
handler = echo
"""
SAYS = """
import os, sys
from pathlib import Path
from ccproxy import Handler

class Says(Handler):
    async def start(self, ctx):
        await super().start(ctx)
        print("words", *sys.argv[1:])
        print("place", Path.cwd(), os.environ.get("SAYS"), flush=True)
        print("error", os.readlink("/proc/self/fd/2") == os.readlink("/proc/self/fd/1"), flush=True)
        print("input", os.readlink("/proc/self/fd/0"), flush=True)
        print("imported", "ccproxy_handlers.redirect.handler" in sys.modules, flush=True)
"""
ENDS = """
import atexit, gc, json, threading
from ccproxy import Handler

class Cycle:
    def __init__(self):
        self.myself = self
    def __del__(self):
        import json  # which fails if modules are gone too early
        print(json.dumps("finalised"), flush=True)

def wait():
    threading.main_thread().join()
    gc.disable()  # the end finds it, and not a collection that happens to come before
    Cycle()
    print("thread", flush=True)

class Ends(Handler):
    async def start(self, ctx):
        await super().start(ctx)
        atexit.register(print, "at exit", flush=True)
        threading.Thread(target=wait).start()
"""


@pytest.fixture
def server(tmp_path):
    """Starts a server in a folder of its own; all are ended."""
    made = []

    def server(ini=INI, words=()):
        (tmp_path / "server.ini").write_text(ini)
        made.append(RunningServer(tmp_path, {}, words))
        return made[-1]

    yield server
    for one in made:
        one.stop(SECONDS)


def test_it_ends_when_it_is_told_to(server):
    one = server()
    assert isinstance(one.process, ForkedProcess)
    one.wait_for("ready", SECONDS)
    assert one.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        one.process.wait(0.01)
    assert one.stop(SECONDS) == 0
    assert one.process.poll() == one.process.returncode == 0
    one.process.terminate()  # which does nothing
    assert "ledger received=0" in one.lines[-1]


def test_what_killed_it_is_known(server):
    one = server()
    one.wait_for("ready", SECONDS)
    one.process.kill()
    assert one.process.wait(SECONDS) == -signal.SIGKILL


def test_its_own_end_has_its_status(server):
    one = server(INI.replace("handler = echo", "handler = ekko"))
    assert one.process.wait(SECONDS) == 78
    with pytest.raises(RuntimeError, match="the server ended without"):
        one.wait_for("ready", SECONDS)
    assert "ekko" in "".join(one.lines)


def test_it_has_the_words_the_folder_the_environment_and_the_files_of_its_own(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("SAYS", "yes")
    (tmp_path / "says.py").write_text(SAYS)
    ini = INI.replace("handler = echo", "handler = says")
    one = server(ini.replace("cc-role = local", "cc-role = local\nplugins = ."), ("-v",))
    one.wait_for("ready", SECONDS)
    assert f"words -v {tmp_path / 'server.ini'}" in one.lines
    assert f"place {tmp_path} yes" in one.lines
    assert "error True" in one.lines
    assert "input /dev/null" in one.lines
    assert "imported True" in one.lines


def test_it_ends_with_what_it_has_to_finalise(server, tmp_path):
    (tmp_path / "ends.py").write_text(ENDS)
    ini = INI.replace("handler = echo", "handler = ends")
    one = server(ini.replace("cc-role = local", "cc-role = local\nplugins = ."))
    one.wait_for("ready", SECONDS)
    assert one.stop(SECONDS) == 0
    last = next(number for number, line in enumerate(one.lines) if "ledger received=" in line)
    assert one.lines[last + 1 :] == ["thread", "at exit", '"finalised"']


def test_servers_that_run_at_the_same_time_have_ends_of_their_own(server):
    first, second = server(), server()
    for one in (first, second):
        one.wait_for("ready", SECONDS)
    assert first.process.pid != second.process.pid
    first.process.kill()
    assert first.process.wait(SECONDS) == -signal.SIGKILL
    assert second.process.poll() is None
    assert second.stop(SECONDS) == 0


def test_a_verb_is_run_to_its_end(forks, tmp_path):
    (tmp_path / "x.ini").write_text(INI)
    done = forks.run("check", "x.ini", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("x.ini: ")
    done = forks.run("check", "y.ini", folder=tmp_path)
    assert done.returncode == 78
    assert "y.ini: cannot be read" in done.stdout
    done = forks.run("chek", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'did you mean "check"?' in done.stderr


@pytest.mark.parametrize("name", [FRESH, "PYTHONDEVMODE"])
def test_what_asks_for_a_new_python_gets_one(tmp_path, monkeypatch, name):
    def fresh(command, directory):
        return command, directory

    forks = ForkServer(fresh)
    monkeypatch.setenv(name, "1")
    assert forks.launch(["ccproxy"], tmp_path) == (["ccproxy"], tmp_path)
    forks.close()


def test_an_end_of_the_process_that_forks_is_told(tmp_path):
    forks = ForkServer(RunningServer.launch)
    (tmp_path / "server.ini").write_text(INI)
    one = forks.launch(["python", "-m", "ccproxy", str(tmp_path / "server.ini")], tmp_path)
    forks._process.kill()
    with pytest.raises(RuntimeError, match="the process that forks servers has ended"):
        one.wait(SECONDS)
    os.kill(one.pid, signal.SIGKILL)
    with one.stdout:
        one.stdout.read()
    forks.close()
