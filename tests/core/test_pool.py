"""The sink of a socket that gives each message to one peer: turns, windows, what comes back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pool import WindowWorker, WorkerPool
from ccproxy.core.runs import Run, distributes
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack

MESSAGE_BYTES = len(pack([b"00", b"x"]))


def run(*numbers):
    chunk = b"".join(pack([b"%02d" % number, b"x"]) for number in numbers)
    return Run(None, len(numbers), payloads=chunk)


def join(pool, name=b"1", messages=2, size=10_000):
    worker = WindowWorker(name, Outbox("peer", Limits(size, messages, "block")))
    pool.join(worker)
    return worker


def numbers(box):
    data = b"".join(map(bytes, box.peek(1000)))
    ends = [0, *boundaries(data)]
    return [int(unpack(data[start:end])[0]) for start, end in pairwise(ends)]


def read(worker, messages):
    """The peer takes some messages."""
    found = numbers(worker.box)[:messages]
    worker.box.advance(len(found) * MESSAGE_BYTES)
    return found


def test_it_is_a_distributor():
    assert distributes(WorkerPool(Outbox("h:out", Limits())))


def test_each_message_goes_to_the_next_in_turn():
    pool = WorkerPool(Outbox("h:out", Limits()))
    workers = [join(pool, b"%d" % number, 100) for number in range(3)]
    assert pool.take(run(0, 1)) == (("forwarded", 2),)
    assert pool.take(run(2, 3, 4, 5, 6)) == (("forwarded", 5),)
    assert [numbers(one.box) for one in workers] == [[0, 3, 6], [1, 4], [2, 5]]
    pool.take(run(7))
    assert numbers(workers[1].box) == [1, 4, 7]
    assert pool.backlog.queued == pool.backlog.sent == 8


def test_a_worker_that_does_not_read_gets_its_window_and_no_more():
    pool = WorkerPool(Outbox("h:out", Limits()))
    slow, quick = join(pool, b"slow"), join(pool, b"quick")
    pool.take(run(*range(10)))
    assert (numbers(slow.box), numbers(quick.box)) == ([0, 2], [1, 3])
    seen = []
    for _ in range(6):
        seen += read(quick, 2)
    assert seen == [1, 3, 4, 5, 6, 7, 8, 9]
    assert numbers(slow.box) == [0, 2] and pool.backlog.waiting == 0


def test_a_window_of_bytes_takes_a_message_that_is_larger():
    pool = WorkerPool(Outbox("h:out", Limits()))
    worker = join(pool, messages=100, size=3)
    pool.take(run(1, 2))
    assert read(worker, 1) == [1]
    assert numbers(worker.box) == [2]


@pytest.mark.parametrize(
    ("policy", "fates", "kept"),
    [
        ("drop-new", (("forwarded", 2), ("full", 2)), [0, 1]),
        ("drop-old", (("forwarded", 4),), [2, 3]),
        ("block", (("forwarded", 4),), [0, 1, 2, 3]),
    ],
)
def test_messages_wait_while_there_is_no_worker(policy, fates, kept):
    pool = WorkerPool(Outbox("h:out", Limits(1000, 2, policy)))
    assert pool.take(run(0, 1, 2, 3)) == fates
    assert pool.blocked == pool.may_block == (policy == "block")
    called = []
    pool.wait(lambda: called.append(pool.blocked))
    assert numbers(join(pool, messages=9).box) == kept
    assert called == [False]


def test_what_does_not_fit_into_the_windows_waits_or_is_dropped():
    pool = WorkerPool(Outbox("h:out", Limits(1000, 1)))
    worker = join(pool)
    assert pool.take(run(0, 1, 2, 3)) == (("forwarded", 3), ("full", 1))
    assert pool.offer(b"", 0) == 0
    assert read(worker, 2) == [0, 1] and read(worker, 1) == [2]


def test_a_worker_that_goes_gives_back_what_no_byte_was_sent_of():
    pool = WorkerPool(Outbox("h:out", Limits()))
    first, second = join(pool, b"1", 4), join(pool, b"2", 4)
    pool.take(run(*range(10)))
    assert numbers(first.box) == [0, 2, 4, 6]
    first.box.advance(MESSAGE_BYTES + 1)  # one message, and a byte of the next one
    first.box.rewind()
    pool.leave(b"1")
    assert pool.returned == 2 and first.box.dropped == {"gone": 1}
    seen = []
    while numbers(second.box):
        seen += read(second, 1)
    assert seen == [1, 3, 5, 7, 4, 6, 8, 9]
    assert pool.backlog.queued == 10 == pool.backlog.sent
    assert first.box.queued == first.box.sent + 1


def test_the_last_worker_gives_its_messages_to_the_next_one():
    pool = WorkerPool(Outbox("h:out", Limits()))
    worker = join(pool)
    pool.take(run(0, 1, 2))
    pool.leave(b"1")
    assert numbers(pool.backlog) == [0, 1, 2]
    worker.box.wait(lambda: None)
    assert numbers(join(pool, b"2", 9).box) == [0, 1, 2]
    assert pool.backlog.queued == pool.backlog.sent == 3


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.integers(1, 5)),
            st.tuples(st.just("join"), st.integers(1, 4)),
            st.tuples(st.just("read"), st.integers(0, 3)),
            st.tuples(st.just("leave"), st.integers(0, 3)),
        ),
        max_size=30,
    )
)
def test_no_message_is_lost_or_doubled(steps):
    pool, workers, names = WorkerPool(Outbox("h:out", Limits())), {}, iter(range(99))
    count, seen = 0, []
    for what, number in steps:
        if what == "take":
            pool.take(run(*range(count, count + number)))
            count += number
        elif what == "join":
            name = b"%d" % next(names)
            workers[name] = join(pool, name, number)
        elif workers:
            name = sorted(workers)[number % len(workers)]
            if what == "leave":
                del workers[name]
                pool.leave(name)
            elif numbers(workers[name].box):
                seen += read(workers[name], 1)
        free = any(one.box.waiting < 1 for one in workers.values())
        assert not (free and pool.backlog.waiting)
    waiting = [number for one in workers.values() for number in numbers(one.box)]
    assert sorted([*seen, *waiting, *numbers(pool.backlog)]) == list(range(count))
    assert pool.backlog.queued == pool.backlog.sent + pool.backlog.waiting == count
