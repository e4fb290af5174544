"""The work of handshakes: a little in each turn, passwords in a thread, pauses for failures."""

import asyncio
import threading
import time

import pytest

from ccproxy.net import handshakes as module
from ccproxy.net.handshakes import FailurePauses, Handshakes
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.mechanism import MechanismStep, Work

STEP = MechanismStep(b"done")


async def test_keys_take_a_bounded_time_of_each_turn(monkeypatch, until):
    monkeypatch.setattr(module, "TIME_PER_TURN", 0.0005)
    turns, done = [0], []

    def count():
        turns[0] += 1
        if len(done) < 20:
            asyncio.get_running_loop().call_soon(count)

    def slow():
        time.sleep(0.0004)
        return STEP

    handshakes = Handshakes()
    count()
    for _ in range(20):
        handshakes.do(Work(slow), lambda outcome: done.append((turns[0], outcome())))
    await until(lambda: len(done) == 20)
    assert all(step == STEP for _, step in done)
    assert len({turn for turn, _ in done}) >= 8


async def test_passwords_are_checked_in_a_thread(until):
    handshakes, done = Handshakes(), []

    def check():
        if threading.current_thread() is threading.main_thread():
            raise AssertionError("on the loop")
        return STEP

    def wrong():
        raise ZmtpError("no")

    handshakes.do(Work(check, slow=True), lambda outcome: done.append(outcome()))
    handshakes.do(Work(wrong, slow=True), done.append)
    await until(lambda: len(done) == 2)
    assert done[0] == STEP
    with pytest.raises(ZmtpError, match="no"):
        done[1]()
    await handshakes.close()


async def test_only_so_many_passwords_wait(monkeypatch, until):
    monkeypatch.setattr(module, "PASSWORDS", 2)
    handshakes, done, go = Handshakes(), [], threading.Event()

    def wait():
        go.wait(60)
        return STEP

    for _ in range(3):
        handshakes.do(Work(wait, slow=True), done.append)
    await until(lambda: done)
    with pytest.raises(ZmtpError, match="2 peers wait for such a check already"):
        done[0]()
    go.set()
    await until(lambda: len(done) == 3)
    await handshakes.close()


async def test_what_is_under_way_at_the_end_is_dropped():
    handshakes, go, done = Handshakes(), threading.Event(), []
    handshakes.do(Work(go.wait, slow=True), done.append)
    await asyncio.sleep(0)
    await handshakes.close()
    go.set()
    await asyncio.sleep(0)
    assert not done


async def test_pauses_are_counted_down(monkeypatch, until):
    monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(module, "PAUSED", 1)
    handshakes = Handshakes()
    assert handshakes.pause("[::1]:5") == 0.001
    assert handshakes.pause("10.0.0.1:5") == 0.0
    await until(lambda: handshakes.pause("10.0.0.2:5"))
    handshakes.succeeded("10.0.0.2:77")


def test_pauses_grow_for_each_host_and_are_forgiven():
    pauses = FailurePauses()
    assert [pauses.next("a", 1.0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert pauses.next("b", 1.0) == 0.1
    pauses.forgive("a")
    assert pauses.next("a", 2.0) == 0.1
    assert pauses.next("b", 62.0) == 0.1
    assert pauses.next("b", 63.0) == 0.2


def test_the_hosts_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "HOSTS", 2)
    pauses = FailurePauses()
    for host in "abc":
        pauses.next(host, 1.0)
    assert pauses.next("a", 1.0) == 0.1
    assert pauses.next("c", 1.0) == 0.2
