"""Which reads are timed, and when their messages are with the kernel."""

import asyncio
import math
import socket
from time import perf_counter

import pytest

from ccproxy.core.histogram import BOUNDS
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.flush import FlushQueue
from ccproxy.net.latencies import MOST_DESTINATIONS, SAMPLE_INTERVAL, Latencies
from ccproxy.net.sender import Sender
from ccproxy.wire.zmtp.frames import pack


def number(histogram):
    return sum(histogram.counts)


def test_nothing_is_due_unless_it_is_wanted():
    off = Latencies()
    assert off.reads.due == off.of_handler("h:x").due == math.inf
    on = Latencies(True)
    assert on.reads.due == on.of_handler("h:x").due == 0.0
    assert on.of_handler("h:x") is on.of_handler("h:x")


def test_a_sample_is_due_again_after_a_while():
    times = Latencies(True).reads
    begun = perf_counter() - 0.5
    times.take(begun)
    assert number(times.histogram) == 1 and times.histogram.sum >= 0.5
    assert times.due >= begun + 0.5 + SAMPLE_INTERVAL


class Flushed:
    """A flush with an outbox."""

    def __init__(self, waiting=0):
        self.box = Outbox("h:x", Limits())
        for _ in range(waiting):
            self.box.offer(b"\0\1x", 1)
        self.notes = []

    def flush(self):
        pass

    def note_when_gone(self, gone, begun):
        self.notes.append((gone, begun))


def test_destinations_that_are_empty_are_timed_at_once_and_others_later():
    times = Latencies(True)
    times.take_read(1.0)
    empty, waiting = Flushed(), Flushed(3)
    times.flushed([object(), empty, waiting, Flushed()])
    assert number(times.sent) == 2
    assert (empty.notes, waiting.notes) == ([], [(3, 1.0)])
    assert times.begun == 0.0


def test_a_turn_with_many_destinations_costs_no_more():
    times = Latencies(True)
    times.take_read(1.0)
    times.flushed([Flushed() for _ in range(10 * MOST_DESTINATIONS)])
    assert number(times.sent) == MOST_DESTINATIONS


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


async def test_what_the_kernel_does_not_take_is_timed_when_it_has(pair, until):
    ours, theirs = pair
    times = Latencies(True)
    queue = FlushQueue(asyncio.get_running_loop(), 0.0, times)
    sender = Sender(ours, queue, lambda reason: None)
    box = Outbox("h:x", Limits())
    sender.attach(box)
    message = pack([b"", bytes(1 << 20)])
    for _ in range(4):
        box.offer(message, 1)
    times.take_read(perf_counter())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert box.waiting and not number(times.sent)
    box.offer(message, 1)  # it is behind those that are timed
    left = 4 * len(message)
    theirs.setblocking(False)

    async def read():
        nonlocal left
        while not number(times.sent):
            try:
                left -= len(theirs.recv(1 << 20))
            except BlockingIOError:
                await asyncio.sleep(0)

    await asyncio.wait_for(read(), 60)
    assert number(times.sent) == 1 and times.sent.sum < BOUNDS[-1]
    sender.detach()
