"""Signals before the server can handle them, while it runs, and afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
import uvloop

from ccproxy.process.signals import ProcessSignals

NUMBERS = ProcessSignals.NUMBERS
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


@pytest.fixture(autouse=True)
def _restored():
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


HOLD = """
import os, signal
from ccproxy.process.signals import ProcessSignals
signals = ProcessSignals()
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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"hup\nhup\nterm\n")


def test_a_start_that_hangs_can_be_ended():
    program = HOLD + "for _ in range(2): os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGTERM


async def test_a_signal_is_a_call_on_the_loop(until):
    signals, calls = ProcessSignals(), []
    with signals.obeyed({number: partial(calls.append, number) for number in NUMBERS}):
        for number in NUMBERS:
            os.kill(os.getpid(), number)
        await until(lambda: len(calls) == 3)
    assert calls == list(NUMBERS)
    assert [signal.getsignal(number) for number in NUMBERS] == [signal.SIG_IGN] * 3


async def test_signals_that_a_plugin_has_taken_are_taken_back(until):
    signals, calls = ProcessSignals(), []
    with signals.obeyed({number: partial(calls.append, number) for number in NUMBERS}):
        assert signals.take_back() == []
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signals.take_back() == ["SIGTERM"]
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: calls)
    assert calls == [signal.SIGTERM]


@pytest.mark.parametrize("factory", LOOPS)
def test_a_loop_that_sleeps_wakes_up_for_a_signal_of_another_thread(factory):
    """The first thread does not take the signal, so that the system gives it to the other one."""

    async def wait():
        done = asyncio.Event()
        with ProcessSignals().obeyed(dict.fromkeys(NUMBERS, done.set)):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
            loop.call_soon(other.start)
            await asyncio.wait_for(done.wait(), 30)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        time.sleep(0.05)  # until the loop sleeps: the test must wake a sleeping loop
        os.kill(os.getpid(), signal.SIGTERM)

    other = threading.Thread(target=send)
    with asyncio.Runner(loop_factory=factory) as runner:
        loop = runner.get_loop()
        runner.run(wait())
    other.join()


def test_what_was_held_is_obeyed_when_it_is_released():
    program = (
        HOLD
        + """
import asyncio
async def serve():
    called = asyncio.Event()
    with signals.obeyed({signal.SIGTERM: called.set}):
        await asyncio.sleep(0)
        print(called.is_set())
        signals.release()
        await called.wait()
        print("obeyed")
os.kill(os.getpid(), signal.SIGTERM)
asyncio.run(serve())
os.kill(os.getpid(), signal.SIGTERM)
print("ignored")
"""
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"False\nobeyed\nignored\n"), done.stderr
