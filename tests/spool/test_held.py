"""Messages with numbers that come while a spool is not open: nothing false is said of them."""

import contextlib

import pytest

from ccproxy.core.delivery.receipts import HELD, ReceiptTracker
from ccproxy.core.delivery.store import REPLAYED, SAFE, RunOrigin
from ccproxy.core.memory import Memory
from ccproxy.spool.counts import SpoolCounts
from ccproxy.spool.held import HeldRun, HeldRuns
from ccproxy.spool.intake import MOST_UNCOMMITTED, Intake, SpoolLimits
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.store import Spool
from ccproxy.spool.work import FileOptions
from ccproxy.wire.zmtp.frames import pack
from tests.core.delivery.test_store import LINK, balanced, chunk, names
from tests.spool.test_store import GIB, SIZE, Told, opened, settled, until

HELD_BACK = 0, HELD


@contextlib.asynccontextmanager
async def unopened(folder, size=GIB, policy="drop-new", memory=None):
    """A spool whose folder another process has, and what makes it free."""
    lock = FolderLock(folder)
    spool = Spool("h:far", SpoolLimits(size, policy), memory, FileOptions(folder))
    with pytest.raises(OSError):
        await spool.open()
    try:
        yield spool, lock.release
    finally:
        spool.close("stop")
        await spool.closed()


async def written(folder, numbers):
    async with opened(folder) as spool:
        spool.accept(chunk(*numbers), len(numbers), RunOrigin(LINK, 5, numbers[0]), Told())
        await settled(spool)


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
async def test_what_is_in_the_file_is_never_refused(tmp_path, policy):
    await written(tmp_path, [1, 2, 3])
    async with unopened(tmp_path, policy=policy) as (spool, free):
        told = Told()
        assert spool.accept(chunk(2, 3, 4), 3, RunOrigin(LINK, 5, 2), told) == 3
        assert spool.accept(chunk(5), 1, RunOrigin(LINK, 5, 5), told) == 1
        assert told == [HELD_BACK] * 2
        assert spool.waiting == 4 and balanced(spool)
        free()
        await spool.open()
        await until(lambda: len(told) == 5)
        assert told[2:] == [(2, SAFE), (1, SAFE), (1, SAFE)]
        assert (spool.duplicates, spool.waiting) == (2, 5) and balanced(spool)
        await until(lambda: spool.cursor.end == spool.last_run)
        assert names(spool.fetch(GIB)) == [1, 2, 3, 4, 5]


async def test_what_finds_no_room_then_is_refused_behind_what_was_taken(tmp_path):
    await written(tmp_path, [1])
    async with unopened(tmp_path, size=3 * SIZE) as (spool, free):
        tracker = ReceiptTracker()
        [receipt] = tracker.add(5, 1, 4, 1)
        receipt.taken(spool.accept(chunk(1, 2, 3, 4), 4, RunOrigin(LINK, 5, 1), receipt), "full")
        assert tracker.blocked
        free()
        await spool.open()
        await until(lambda: tracker.acknowledged == (5, 4))
        assert [(one.first, one.messages, one.reason) for one in tracker.take_refusals()] == [
            (4, 1, "full")
        ]
        assert not tracker.blocked and balanced(spool)
        assert (spool.waiting, dict(spool.dropped)) == (3, {"full": 1})


@pytest.mark.parametrize(("reason", "outcome"), [("stop", "stop"), ("unused", "failed")])
async def test_a_spool_that_is_never_opened_gives_its_messages_up(tmp_path, reason, outcome):
    memory, told = Memory(), Told()
    async with unopened(tmp_path, memory=memory) as (spool, _):
        spool.accept(chunk(1, 2), 2, RunOrigin(LINK, 5, 1), told)
        assert memory.used == spool.bytes == 2 * SIZE
        spool.close(reason)
        await spool.closed()
        assert told == [HELD_BACK, (2, outcome)]
        assert (spool.waiting, dict(spool.dropped)) == (0, {outcome: 2})
        assert memory.used == 0 and balanced(spool)


async def test_what_is_held_can_move_to_another_member_of_a_group(tmp_path):
    await written(tmp_path, [1])
    async with unopened(tmp_path) as (spool, free):
        tracker = ReceiptTracker()
        [receipt] = tracker.add(5, 1, 2, 1)
        spool.accept(chunk(1, 2), 2, REPLAYED, receipt)
        [run] = spool.take_unsent(1)
        assert (run.chunk, run.messages, run.replay) == (chunk(1, 2), 2, True)
        assert (spool.waiting, spool.queued, spool.bytes, spool.memory.used) == (0, 0, 0, 0)
        assert (tracker.blocked, tracker.acknowledged) == (False, None)
        run.receipt(2, SAFE)
        assert tracker.acknowledged == (5, 2)
        free()
        await spool.open()
        assert spool.take_unsent(GIB) == [] and spool.waiting == 1


async def test_what_all_links_together_may_send_is_bounded(tmp_path):
    async with unopened(tmp_path) as (spool, free):
        told, resumed = Told(), []
        large = pack([bytes(MOST_UNCOMMITTED // 4)])
        for number in range(4):
            assert not spool.blocked
            spool.accept(large, 1, RunOrigin(bytes([number]) * 16, 5, 1), told)
        assert spool.blocked
        spool.wait(lambda: resumed.append(spool.blocked))
        free()
        await spool.open()
        await until(lambda: resumed)
        assert (resumed, spool.waiting, dict(spool.dropped)) == ([False], 4, {})
        await until(lambda: told[4:] == [(1, SAFE)] * 4)


async def test_who_waits_goes_on_when_what_is_held_has_moved(tmp_path):
    async with unopened(tmp_path) as (spool, _):
        resumed = []
        large = pack([bytes(MOST_UNCOMMITTED)])
        spool.accept(large, 1, RunOrigin(LINK, 5, 1), Told())
        spool.wait(lambda: resumed.append(spool.blocked))
        spool.take_unsent(1)
        assert resumed == [False]


def test_runs_are_let_in_in_the_order_in_which_they_came():
    counts, told, put, got = SpoolCounts("h:far", Intake(SpoolLimits(GIB))), Told(), [], []
    held = HeldRuns(counts, lambda: None)
    for number in range(3):
        held.hold(HeldRun(chunk(number), 1, RunOrigin(LINK, 5, number), told))
    assert (counts.intake.held, counts.waiting, counts.queued) == (3 * SIZE, 3, 3)

    def accept(chunk, messages, origin, receipt):
        got.append(origin.first)
        return messages if origin.first == 1 else 0

    held.let_in(accept, put.append)
    assert (got, counts.intake.held, counts.waiting, counts.queued) == ([0, 1, 2], 0, 0, 0)
    for one in put:
        one.receipt(one.messages, SAFE)
    assert told == [HELD_BACK] * 3 + [(1, "full")] * 2
