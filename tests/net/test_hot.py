import asyncio
import errno
from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net import hot
from ccproxy.net.reading import FIRST_REST

try:
    from ccproxy.net import _hot as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(compiled is None, reason="ccproxy.net._hot is not built")


@pytest.fixture(
    params=[
        pytest.param(hot, id="plain"),
        pytest.param(compiled, id="compiled", marks=not_built),
    ]
)
def module(request):
    return request.param


class Flushed:
    def __init__(self, log, name, then=None):
        self.log, self.name, self.then = log, name, then

    def flush(self):
        self.log.append(self.name)
        if self.then:
            self.then()


async def test_who_asked_is_flushed_once_at_the_end_of_the_turn(module):
    log = []
    flush_queue = module.FlushQueue(asyncio.get_running_loop())
    for name in "ab":
        flush_queue.flush_later(Flushed(log, name))
    assert log == []
    await asyncio.sleep(0)
    assert log == ["a", "b"]
    await asyncio.sleep(0)
    assert log == ["a", "b"]


async def test_who_asks_while_others_are_flushed_comes_in_the_next_turn(module):
    log = []
    flush_queue = module.FlushQueue(asyncio.get_running_loop())
    later = Flushed(log, "later")
    flush_queue.flush_later(Flushed(log, "first", then=lambda: flush_queue.flush_later(later)))
    await asyncio.sleep(0)
    assert log == ["first"]
    await asyncio.sleep(0)
    assert log == ["first", "later"]


async def test_a_busy_loop_stays_awake_for_a_moment_and_no_longer(module):
    loop = asyncio.get_running_loop()
    flush_queue = module.FlushQueue(loop, busy_poll=0.2)
    log = []
    flush_queue.flush_later(Flushed(log, "a"))
    await asyncio.sleep(0)
    begun, turns = loop.time(), 0
    while flush_queue._polling:
        await asyncio.sleep(0)
        turns += 1
    assert loop.time() - begun > 0.1
    assert turns > 10
    flush_queue.flush_later(Flushed(log, "b"))
    await asyncio.sleep(0)
    assert flush_queue._polling
    flush_queue.busy_poll = 0.0
    while flush_queue._polling:
        await asyncio.sleep(0)


async def test_a_crowd_is_flushed_in_several_turns_and_in_order(module, monkeypatch):
    log, clock = [], iter(range(1000))
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    flush_queue = module.FlushQueue(asyncio.get_running_loop())
    for number in range(100):
        again = Flushed(log, "again")
        then = (lambda again=again: flush_queue.flush_later(again)) if number == 0 else None
        flush_queue.flush_later(Flushed(log, number, then))
    sizes = []
    while len(log) < 101:
        await asyncio.sleep(0)
        sizes.append(len(log))
    assert sizes == [hot.PART, 2 * hot.PART, 3 * hot.PART, 101]
    assert log == [*range(100), "again"]


async def test_what_a_guarded_flush_raises_is_told_and_the_others_are_flushed(module):
    log, told = [], []
    flush_queue = module.FlushQueue(asyncio.get_running_loop())
    stop = SystemExit("stop")

    def fail():
        raise stop

    guarded = module.HotFlush(flush_queue, Flushed(log, "guarded", fail), told.append)
    guarded.wake()
    flush_queue.flush_later(Flushed(log, "other"))
    await asyncio.sleep(0)
    assert (log, told) == (["guarded", "other"], [stop])


class Socket:
    """Gives reads, or raises them; takes `room` bytes of each write."""

    def __init__(self, reads=(), room=1000):
        self.reads, self.room, self.written = list(reads), room, b""

    def recv(self, most):
        found = self.reads.pop(0)
        if isinstance(found, OSError):
            raise found
        assert len(found) <= most
        return found

    def sendmsg(self, pieces):
        return self.send(b"".join(pieces))

    def send(self, data):
        if self.room < 0:
            raise BlockingIOError
        self.written += data[: self.room]
        return len(data[: self.room])


@pytest.fixture
def writer(module):
    class Writer(module.HotWriter):
        def _queue(self, pieces, size, sent, messages):
            return "queued", b"".join(pieces), size, sent, messages

    def make(room, **limits):
        made = Writer()
        made.box, made.closed, made.write_error = Outbox("x", Limits(**limits)), False, 0
        made._sock, made._waiting, made._sealed = Socket(room=room), False, None
        return made

    return make


def test_what_the_kernel_takes_is_counted_as_sent(writer):
    made = writer(1000)
    assert (made.send([b"one"]), made.send([b"t", b"wo"], 2)) == (1, 2)
    assert made._sock.written == b"onetwo"
    assert (made.box.queued, made.box.sent, made.box.waiting) == (3, 3, 0)


@pytest.mark.parametrize(("room", "sent"), [(2, 2), (-1, 0)])
def test_what_the_kernel_does_not_take_is_queued(writer, room, sent):
    made = writer(room)
    assert made.send([b"on", b"e"]) == ("queued", b"one", 3, sent, 1)
    assert made.box.sent == 0


@pytest.mark.parametrize("change", [("_waiting", True), ("write_error", 32), ("_sealed", object())])
def test_nothing_passes_what_waits_or_a_seal(writer, change):
    made = writer(1000)
    setattr(made, *change)
    assert made.send([b"one"]) == ("queued", b"one", 3, 0, 1)
    assert made._sock.written == b""


def test_more_than_the_limits_is_queued_where_it_is_counted_as_dropped(writer):
    assert writer(1000, bytes=2).send([b"one"])[0] == "queued"
    assert writer(1000, messages=1).send([b"one"], 2)[0] == "queued"


def test_nothing_is_sent_after_the_end(writer):
    made = writer(1000)
    made.closed = True
    assert made.send([b"one"]) == 0
    made.closed, made.box = False, None
    assert made.send([b"one"]) == 0


@pytest.fixture
def reader(module):
    class Reader(module.HotReader):
        def _came(self, data, most):
            self.log.append(("came", data))
            self.received += len(data)

        def _unread(self, error):
            self.log.append(("unread", error.errno))

        def _account(self, size):
            self.log.append(("account", size))

        def _cut(self, broken, full):
            self.log.append(("cut", broken, full))

    def make(*reads, broken=0, pending=0, rests=()):
        made = Reader()
        made.log = log = []
        rests = list(rests)

        def pass_on(data):
            log.append(("passed", data))
            return rests.pop(0) if rests else None

        made.sock, made.closed, made.received = Socket(reads), False, 0
        made._opening = made._seal = None
        made.pass_on, made.remains = pass_on, lambda rest: log.append(("rest", rest))
        made._reading = SimpleNamespace(
            size=8, short=0.0, rest=FIRST_REST, timed=lambda size, _: log.append(("timed", size))
        )
        made._memory = SimpleNamespace(read=100_000, pressed=None)
        made._input = SimpleNamespace(held=0, count=lambda held: log.append(("held", held)))
        made._owner = SimpleNamespace(pending=lambda: SimpleNamespace(held=pending))
        made._sender = SimpleNamespace(connection_error=lambda: broken)
        made._latencies = SimpleNamespace(reads=SimpleNamespace(due=float("inf")))
        return made

    return make


def test_the_first_bytes_and_the_end_come_in_the_ordinary_way(reader):
    made = reader(b"one", b"two", b"")
    for _ in range(3):
        made._readable()
    assert made.log == [("came", b"one"), ("passed", b"two"), ("came", b"")]
    assert made.received == 6


@pytest.mark.parametrize("way", ["pass_on", "_opening", "_seal"])
def test_what_is_not_diverted_or_under_a_seal_comes_in_the_ordinary_way(reader, way):
    made = reader(b"one", b"two")
    setattr(made, way, None if way == "pass_on" else object())
    made._readable()
    made._readable()
    assert made.log == [("came", b"one"), ("came", b"two")]


def test_what_is_left_is_given_to_its_owner_and_accounted(reader):
    made = reader(b"one", b"two", b"three", rests=[["left"], []])
    for _ in range(3):
        made._readable()
    expected = [("rest", ["left"]), ("account", 3), ("passed", b"three"), ("rest", [])]
    assert made.log[2:] == [*expected, ("account", 5)]


def test_a_large_read_is_counted_and_timed(reader):
    made = reader(b"x", b"x" * 5000, pending=7)
    made._reading.size = 10_000
    made._readable()
    made._readable()
    assert made.log[2:] == [("held", 7), ("timed", 5000)]


def test_an_error_of_the_connection_ends_it_behind_the_bytes_that_came(reader):
    made = reader(b"x", b"12345678", b"123", broken=104)
    for _ in range(3):
        made._readable()
    assert made.log[2:] == [("cut", 104, True), ("passed", b"123"), ("cut", 104, False)]


def test_a_read_that_fails_is_told_and_nothing_is_read_after_the_end(reader):
    made = reader(OSError(errno.ECONNRESET, "reset"))
    made._readable()
    made.closed = True
    made._readable()
    assert made.log == [("unread", errno.ECONNRESET)]
