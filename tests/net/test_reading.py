import asyncio
import socket
import time

import pytest

from ccproxy.core.memory import READ
from ccproxy.core.outbox import Limits
from ccproxy.core.pace import Pending
from ccproxy.net import reading
from ccproxy.net.reading import (
    ALLOWANCE,
    FAIR_READ,
    FIRST_REST,
    LONGEST_REST,
    LONGEST_TURN,
    SMALLEST_EVEN,
    SMALLEST_READ,
    SocketReading,
)
from ccproxy.net.stream import Stream


class Clock:
    """A loop that notes what is registered; `rests` are the seconds of the timers that were set."""

    now = 0.0

    def time(self):
        return self.now

    def __init__(self):
        self.reading = False
        self.rests = []
        self.due = None

    def add_reader(self, number, call):
        assert not self.reading
        self.reading = True

    def remove_reader(self, number):
        self.reading = False

    def call_later(self, seconds, call):
        self.rests.append(seconds)
        self.due = call
        return self

    def cancel(self):
        self.due = None

    def pass_rest(self):
        due, self.due = self.due, None
        due()


@pytest.fixture
def make(monkeypatch):
    def make():
        clock = Clock()
        monkeypatch.setattr(reading.asyncio, "get_running_loop", lambda: clock)
        with socket.socket() as sock:
            one = SocketReading(sock, lambda: None)
            one.start()
        return one, clock

    return make


def read(one, clock, size, partial=True):
    """One read, if the socket is read at all."""
    if not clock.reading:
        return False
    one.account(size, partial)
    return True


def test_single_bytes_of_a_message_make_it_rest_longer_and_longer(make):
    one, clock = make()
    reads = 0
    while len(clock.rests) < 9:
        reads += read(one, clock, 1)
        if clock.due:
            clock.pass_rest()
    assert clock.rests[0] == FIRST_REST and clock.rests[1] == 2 * FIRST_REST
    assert clock.rests[-1] == LONGEST_REST == max(clock.rests)
    assert reads <= ALLOWANCE // (FAIR_READ - 1) + 10


def test_small_whole_messages_never_make_it_rest(make):
    one, clock = make()
    for _ in range(10_000):
        assert read(one, clock, 5, partial=False)
    assert not clock.rests


def test_short_reads_between_long_ones_never_make_it_rest(make):
    """The size of a chunk, its bytes, its end: clients write them one after the other."""
    one, clock = make()
    for _ in range(1000):
        assert read(one, clock, 6) and read(one, clock, 4096) and read(one, clock, 2)
    assert not clock.rests


def test_short_reads_now_and_then_never_make_it_rest(make):
    """Two messages a second, each of ten lines that are sent by themselves."""
    one, clock = make()
    for _ in range(1000):
        assert all(read(one, clock, 20) for _ in range(9)) and read(one, clock, 1, partial=False)
        clock.now += 0.5
    assert not clock.rests


def test_many_messages_in_lines_rest_for_a_moment_each(make):
    one, clock = make()
    for _ in range(1000):
        if not all(read(one, clock, 20) for _ in range(9)):
            clock.pass_rest()
            read(one, clock, 100, partial=False)
        clock.now += 0.01
    assert set(clock.rests) == {FIRST_REST}


@pytest.mark.parametrize("size", [5, 16])
def test_bytes_of_whole_small_messages_make_it_rest_too(make, size):
    """A byte each 10 us; what comes during a rest is one read."""
    one, clock = make()
    got = reads = 0
    while got < 100_000:
        seconds = clock.rests[-1] if clock.due else 1e-5
        if clock.due:
            clock.pass_rest()
        clock.now += seconds
        got += round(seconds * 1e5)
        read(one, clock, round(seconds * 1e5), partial=got % size > 0)
        reads += 1
    assert reads < 1000


def test_start_and_stop_hold_while_it_rests(make):
    one, clock = make()
    while not clock.due:
        read(one, clock, 1)
    assert not clock.reading and one.active
    one.stop()
    one.start()
    assert not clock.reading
    one.stop()
    clock.pass_rest()
    assert not clock.reading and not one.active
    one.start()
    assert clock.reading
    while not clock.due:
        read(one, clock, 1)
    one.close()
    assert clock.due is None and not clock.reading


def test_what_takes_long_is_read_in_small_pieces_and_what_does_not_in_large_ones(make):
    """11,900 calls of sodep in one read of 256 KiB took 90 ms of a turn."""
    one, _ = make()
    for _ in range(10):
        one.timed(one.size, 0.0001)
    assert one.size == READ
    one.timed(1000, 0.0001)
    assert one.size == READ
    one.timed(READ, 2 * LONGEST_TURN)
    assert one.size == READ / 4
    one.timed(one.size, LONGEST_TURN / 2)
    assert one.size == READ / 4
    one.timed(one.size, 1.0)
    assert one.size == SMALLEST_READ


def test_a_read_of_equal_messages_ends_with_one_of_them(make):
    one, _ = make()
    assert one.even(READ, 100) == READ  # nothing is known of the messages
    one.unit = 65_559
    assert one.even(READ, 0) == 4 * 65_559  # an eighth more than READ at most
    assert one.even(READ, 65_000) == 5 * 65_559 - 65_000
    assert one.even(READ, 70_000) == READ  # this one is another
    assert one.even(SMALLEST_EVEN - 1, 0) == SMALLEST_EVEN - 1
    one.unit = 100
    assert one.even(READ, 99) % 100 == 1 and READ <= one.even(READ, 99) <= READ * 9 / 8
    one.unit = READ + 1
    assert one.even(READ, 5) == READ


class Slow:
    """Takes 1 ms for each 1,000 bytes."""

    lingers = False

    def __init__(self):
        self.got = self.most = 0

    def pending(self):
        return Pending()

    def received(self, stream, data):
        self.got += len(data)
        self.most = max(self.most, len(data)) if self.got > 50_000 else 0
        end = time.perf_counter() + len(data) / 1e6
        while time.perf_counter() < end:
            pass

    def closed(self, stream, reason):
        """Nothing."""


async def test_a_stream_of_small_messages_is_read_in_small_pieces(kit, pair, until):
    ours, theirs = pair()
    owner = Slow()
    stream = Stream(ours, "x", owner, kit(), Limits())
    stream.open()
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(200_000))
    await until(lambda: owner.got == 200_000)
    assert owner.most <= SMALLEST_READ
    stream.close("done")


class Bytewise:
    """Takes messages of `size` bytes from a stream, and counts reads."""

    lingers = False

    def __init__(self, size):
        self.size = size
        self.got = self.reads = 0

    def pending(self):
        return Pending(self.got % self.size, 1 if self.got % self.size else 0)

    def received(self, stream, data):
        self.got += len(data)
        self.reads += 1

    def closed(self, stream, reason):
        """Nothing."""


async def test_a_message_in_single_bytes_takes_few_reads(kit, pair, until):
    """It took a read for each byte: 1.7 s of processor time per MB."""
    ours, theirs = pair()
    owner = Bytewise(4000)
    stream = Stream(ours, "x", owner, kit(), Limits())
    stream.open()
    for _ in range(4000):
        await asyncio.get_running_loop().sock_sendall(theirs, b"x")
    await until(lambda: owner.got == 4000)
    assert owner.reads < 400
    stream.close("done")


async def test_small_messages_are_read_at_once(kit, pair, until):
    ours, theirs = pair()
    owner = Bytewise(1)
    stream = Stream(ours, "x", owner, kit(), Limits())
    stream.open()
    for number in range(1, 1000):
        theirs.send(b"x")
        await until(lambda number=number: owner.got == number)
    assert owner.reads == 999 and stream._reading._timer is None
    stream.close("done")
