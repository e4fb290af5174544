"""Processes of instances: started, watched, signalled, reaped."""

import asyncio
import os
import sys

import pytest

from ccproxy_handlers.ssmmp.agent.children import UNKNOWN, Children
from ccproxy_handlers.ssmmp.agent.engine import Spawn

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


class Ends:
    """Children on a loop of their own, and what ended."""

    def __init__(self, output=""):
        self.loop = asyncio.new_event_loop()
        self.ended = {}
        self.children = Children(self.loop, self.ended.__setitem__, output)

    def start(self, key, *command, **env):
        pid = self.children.launch(Spawn(key, command, tuple(env.items())))
        self.children.watch(key, pid)
        return pid

    def wait(self, key):
        async def ended():
            while key not in self.ended:
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(ended(), 60))
        return self.ended[key]

    def close(self):
        for key in list(self.children._all):
            self.children.kill(key, "KILL")
            self.wait(key)
        self.children.close()
        self.loop.close()


@pytest.fixture
def ends(tmp_path):
    made = Ends(str(tmp_path / "output"))
    yield made
    made.close()


def test_the_status_of_a_process_that_ends(ends):
    ends.start(1, sys.executable, "-c", "raise SystemExit(3)")
    assert ends.wait(1) == 3
    assert len(ends.children) == 0 and not ends.children.kill(1, "TERM")


def test_a_signal_reaches_the_whole_group(ends):
    pid = ends.start(1, "/bin/sh", "-c", "sleep 600 & wait")
    assert os.getpgid(pid) == pid
    assert ends.children.kill(1, "TERM")
    assert ends.wait(1) == -15


def test_variables_of_the_agent_are_not_passed_on(ends, tmp_path, monkeypatch):
    monkeypatch.setenv("SSMMP_TOKEN", "of the agent")
    monkeypatch.setenv("NOTIFY_SOCKET", "of the agent")
    monkeypatch.setenv("COLOUR", "kept")
    show = "import os; print(*(os.environ.get(n) for n in ('SSMMP_TOKEN', 'NOTIFY_SOCKET', 'COLOUR', 'X')))"  # noqa: E501
    ends.start(1, sys.executable, "-c", show, X="y", SSMMP_SERVICE_NAME="job")
    ends.wait(1)
    assert (tmp_path / "output" / "job-1.log").read_text() == "None None kept y\n"


def test_a_process_is_adopted_by_its_id_and_start(ends):
    pid = ends.start(1, *SLEEP)
    start = ends.children._all[1].start
    other = Ends()
    assert not other.children.adopt(2, pid, "another start")
    assert not other.children.adopt(2, 0, start)
    assert other.children.adopt(2, pid, start) and 2 in other.children
    other.children.kill(2, "KILL")
    assert other.wait(2) in (-9, UNKNOWN)
    ends.wait(1)
    other.close()


def test_a_program_that_is_not_there_is_an_error(ends):
    with pytest.raises(OSError, match="nothing/here"):
        ends.children.launch(Spawn(1, ("/nothing/here",), ()))
    assert len(ends.children) == 0


def test_the_last_line_of_an_output_is_known(ends):
    program = "print('one'); print('cannot open it'); print()"
    ends.start(4, sys.executable, "-c", program, SSMMP_SERVICE_NAME="job")
    ends.wait(4)
    assert ends.children.last_line("job", 4) == "cannot open it"
    assert ends.children.last_line("job", 5) == ""
