"""For all tests: a loop for each coroutine, property tests that repeat, and what `net` needs."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ccproxy import cli
from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.identities import Identities
from ccproxy.testing.server import RunningServer
from ccproxy.wire.cc import CcCodec
from tests.forkserver import ForkServer

# Servers under test start quickly only with bytecode: without it each of them compiles the whole
# package, 1 s of processor time instead of 0.35 s. Some machines and containers forbid to write it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_ANYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _ANYWHERE, derandomize=True)
settings.register_profile("new-cases", _ANYWHERE, print_blob=True)
settings.load_profile("new-cases" if os.environ.get("CI") == "true" else "steady")
"""At home a property test sees the same cases each time: what fails was broken by this change.
In CI it sees new ones, and a case that fails is printed with the line that plays it again. No case
has a deadline, because its duration says how busy the machine is."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts programs in the background so, and servers under test would inherit it: a
    # SIGINT that comes before they handle signals would then be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SECONDS = 90
"""A test of a coroutine that hangs fails after these seconds; on a machine with nothing else to do
none takes a tenth of them. The `timeout` of pytest is longer: tasks still end in order."""


def pytest_collection_finish() -> None:
    """Leave modules and tests, a million objects, out of the collections of garbage that tests
    cause: 0.2 s each."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Free what a failed test has left open. Its traceback holds that, and without this a later
    test would be blamed for sockets that are not its own."""
    done = yield
    if hasattr(sys, "last_value"):
        for name in {"last_exc", "last_type", "last_value", "last_traceback"} & vars(sys).keys():
            delattr(sys, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    return done


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function; a task it leaves behind is a failure."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> set[Any]:
        before = asyncio.all_tasks()
        async with asyncio.timeout(SECONDS):
            await pyfuncitem.obj(**arguments)
        return asyncio.all_tasks() - before

    with asyncio.Runner() as runner:
        left = runner.run(bounded())
    left = {one for one in left if not one.done() or one.cancelled()}
    assert not left, f"tasks left behind: {left}"
    return True


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[ForkServer]:
    """Servers of tests start in a fraction of the time, see `tests/forkserver.py`."""
    forks = ForkServer(RunningServer.launch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningServer, "launch", staticmethod(forks.launch))
        yield forks
    forks.close()


async def until(condition: Callable[[], Any]) -> Any:
    """Let the loop turn until this is true; its value."""
    while not (found := condition()):
        await asyncio.sleep(0.001)
    return found


@pytest.fixture(name="until")
def look_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def kit() -> Callable[[], Kit]:
    """Makes what listeners, links and handlers share; to be called on the loop."""

    def kit() -> Kit:
        loop = asyncio.get_running_loop()
        log = ServerLog(loop.time)
        switch = Switch(CcCodec("here", lambda: 1.5), log)
        return Kit(switch, FlushQueue(loop), log, Identities(1))

    return kit


@pytest.fixture
def pair() -> Iterator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Two connected non-blocking sockets."""
    made: list[socket.socket] = []

    def pair() -> tuple[socket.socket, socket.socket]:
        two = socket.socketpair()
        for one in two:
            one.setblocking(False)
        made.extend(two)
        return two

    yield pair
    for one in made:
        one.close()


@pytest.fixture
def ini(tmp_path, monkeypatch):
    """Write a file and work beside it, so that its name in messages is short."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="x.ini"):
        (tmp_path / name).write_text(dedent(text))
        return name

    return write


@pytest.fixture
def call(capsys):
    """Run a command in this process: exit status, stdout, stderr."""

    def run(*words):
        capsys.readouterr()
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as error:
            status = error.code
        return (status, *capsys.readouterr())

    return run
