"""What tests/conftest.py promises to every test, seen from outside: a run of pytest of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture
def run(tmp_path):
    """Run pytest on a text, beside copies of our conftest.py and what that imports: what it
    prints."""
    (tmp_path / "tests").mkdir()
    shutil.copy(CONFTEST.with_name("forkserver.py"), tmp_path / "tests")

    def run(text, **environment):
        shutil.copy(CONFTEST, tmp_path)
        (tmp_path / "test_it.py").write_text(text)
        environment = {**os.environ, "CI": "", **environment}
        command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, "test_it.py"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip

    return run


LEAKS = """
import asyncio, gc, socket

async def test_that_fails_on_the_loop():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    await asyncio.open_connection(*server.sockets[0].getsockname())
    assert False

def test_that_fails():
    sock = socket.socket()
    assert False

def test_that_comes_after_them():
    gc.collect()
"""


def test_a_failed_test_does_not_fail_those_after_it(run):
    assert "2 failed, 1 passed" in run(LEAKS)


def test_a_task_that_is_left_behind_is_a_failure(run):
    text = "import asyncio\nasync def test_it():\n    asyncio.ensure_future(asyncio.sleep(60))\n"
    assert "tasks left behind" in run(text)


CASE = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_it(number):
    assert number < 1000
"""


def test_in_ci_a_case_that_fails_is_printed_so_that_it_can_be_played_again(run):
    assert "@reproduce_failure" in run(CASE, CI="true")
