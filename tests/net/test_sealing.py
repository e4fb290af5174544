"""A seal between sink and socket: sealed bytes and the outbox's own are counted apart.

The seal of these tests doubles every byte, and cuts what it seals into units of 7 bytes.
"""

import asyncio

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pace import NOTHING
from ccproxy.net.flush import FlushQueue
from ccproxy.net.sealing import SealedQueue, opened
from ccproxy.net.sender import Sender
from ccproxy.net.stream import Stream
from ccproxy.wire.zmtp.curve import CurveSeal, SessionKeys
from ccproxy.wire.zmtp.curve_keys import KeyPair
from ccproxy.wire.zmtp.frames import pack


class Doubling:
    """Every byte twice; a pair of different ones cannot be opened."""

    def __init__(self):
        self.rest = b""

    def seal(self, data):
        units = [bytes(data[at : at + 7]) for at in range(0, len(data), 7)]
        return [(bytes(byte for one in unit for byte in (one, one)), len(unit)) for unit in units]

    @property
    def held(self):
        return len(self.rest)

    def taken(self, data, count):
        return 0

    ended = False

    def close(self):
        return b""

    def open(self, data):
        data = self.rest + data
        whole = len(data) // 2 * 2
        self.rest = data[whole:]
        if data[0:whole:2] != data[1:whole:2]:
            raise ValueError("a pair of different bytes")
        return data[0:whole:2]


def double(data):
    return bytes(byte for one in data for byte in (one, one))


def test_a_unit_counts_when_all_of_its_piece_is_taken():
    queue = SealedQueue(Doubling())
    queue.add(b"abcdefghij", counted=True)
    queue.add(b"xy", counted=False)
    assert b"".join(queue.peek(9)) == double(b"abcdefghijxy")
    assert queue.advance(13) == 0
    assert bytes(queue.peek(1)[0]) == b"g"
    assert queue.advance(1) == 7
    assert queue.advance(6) == 3
    assert queue and queue.advance(4) == 0 and not queue


def test_what_cannot_be_opened_ends_the_connection():
    reasons = []
    assert opened(Doubling(), b"aab", reasons.append) == b"a"
    assert opened(Doubling(), b"ab", reasons.append) == b""
    assert reasons == ["cannot be opened: a pair of different bytes"]


async def test_what_is_sent_of_an_outbox_is_what_left_sealed_and_whole(pair, until):
    ours, theirs = pair()
    loop = asyncio.get_running_loop()
    sender = Sender(ours, FlushQueue(loop), lambda reason: None)
    sender.protect(Doubling())
    box = Outbox("x", Limits())
    message = pack([b"m" * 100])
    sender.attach(box)
    sender.command(b"cmd")
    count = 20_000  # more than the kernel's buffers take
    for _ in range(count):
        box.offer(message, 1)
    await until(lambda: 0 < box.sent < count)
    assert box.queued == box.sent + box.waiting == count
    got = b""
    while len(got) < 2 * (3 + count * len(message)):
        got += await loop.sock_recv(theirs, 1 << 20)
    assert got == double(b"cmd" + message * count)
    await until(lambda: not box.waiting)
    assert (box.sent, box.bytes) == (count, 0)
    sender.detach()


async def test_a_cut_leaves_in_the_outbox_what_was_not_whole(pair, until):
    ours, theirs = pair()
    loop = asyncio.get_running_loop()
    sender = Sender(ours, FlushQueue(loop), lambda reason: None)
    sender.protect(Doubling())
    message = pack([b"n" * 50_000])
    box = Outbox("x", Limits(bytes=30 * len(message), policy="drop-old"))
    sender.attach(box)
    for _ in range(20):
        box.offer(message, 1)
    await until(lambda: box.half_sent or box.sent)
    for _ in range(40):  # the oldest are dropped, but not of the chunk that is being sent
        box.offer(message, 1)
    sender.detach()
    assert box.queued == 60 == box.sent + box.waiting + box.dropped.total()
    assert not box.half_sent and box.bytes == box.waiting * len(message)


class Owner:
    lingers = False
    held = NOTHING

    def pending(self):
        return self.held

    def __init__(self):
        self.data = b""
        self.reasons = []

    def received(self, stream, data):
        self.data += data

    def closed(self, stream, reason):
        self.reasons.append(reason)


@pytest.mark.parametrize("bad", [False, True])
async def test_a_stream_opens_what_comes_and_seals_what_goes(kit, pair, until, bad):
    ours, theirs = pair()
    loop = asyncio.get_running_loop()
    owner = Owner()
    stream = Stream(ours, "x", owner, kit(), Limits())
    stream.protect(Doubling())
    stream.open()
    stream.write(b"hello")
    assert await loop.sock_recv(theirs, 100) == b"hheelllloo"
    await loop.sock_sendall(theirs, b"aab")
    await until(lambda: owner.data == b"a")
    await loop.sock_sendall(theirs, b"x" if bad else b"b")
    if bad:
        await until(lambda: owner.reasons)
        assert owner.reasons == ["cannot be opened: a pair of different bytes"]
        return
    await until(lambda: owner.data == b"ab")
    stream.close("end")


def test_what_the_kernel_has_of_a_long_piece_is_not_sent_again():
    """A link that is cut in the middle of a sealed run sends only what had not left as a whole."""
    session = SessionKeys(KeyPair.of(bytes(32)), KeyPair.of(bytes(range(32))).public, 2, 1)
    queue = SealedQueue(CurveSeal(session, as_server=False))
    run = b"".join(pack([b"", b"type", b"x" * size]) for size in (10, 300, 20))
    first = len(pack([b"", b"type", b"x" * 10]))
    queue.add(run, counted=True)
    size = len(queue.peek(1)[0])
    assert queue.advance(size // 2) == 0
    assert queue.settle() == first and not queue
    queue.add(run, counted=True)
    assert queue.advance(size - 1) == 0
    assert queue.settle() == len(run) - len(pack([b"", b"type", b"x" * 20]))
    assert queue.settle() == 0
