"""A spool as a link uses it: receipts, limits, what comes back after a cut, and after a restart."""

import asyncio
import contextlib
import threading

import pytest

from ccproxy.core.delivery.receipts import HELD
from ccproxy.core.delivery.store import SAFE, MessageNumber, RunOrigin
from ccproxy.core.flows import Target
from ccproxy.core.memory import Memory
from ccproxy.core.runs import distributes
from ccproxy.core.sinks import Sink
from ccproxy.spool import cursor, intake, rows, store
from ccproxy.spool.intake import SpoolLimits
from ccproxy.spool.lock import SpoolInUse
from ccproxy.spool.store import Spool
from ccproxy.spool.thread import SpoolThread
from ccproxy.spool.work import FileOptions, SpoolDone
from ccproxy.wire.zmtp.frames import pack
from tests.core.delivery.test_store import balanced, chunk, names

GIB = 1 << 30
SIZE = len(chunk(1))


@contextlib.asynccontextmanager
async def opened(folder, size=GIB, policy="block", memory=None, **options):
    spool = Spool("h:far", SpoolLimits(size, policy), memory, FileOptions(folder, **options))
    await spool.open()
    try:
        yield spool
    finally:
        spool.close("stop")
        await spool.closed()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def settled(spool):
    """Everything that was handed over is on the disk."""
    await spool.call(lambda file: None)


class Told(list):
    def __call__(self, messages, outcome):
        self.append((messages, outcome))


def last(runs):
    return MessageNumber(runs[-1].epoch, runs[-1].last)


async def rows_in_file(spool):
    return await spool.call(lambda file: [row.id for row in file.rows()])


async def test_it_is_a_sink_and_no_distributor(tmp_path):
    async with opened(tmp_path) as spool:
        assert isinstance(spool, Sink)
        assert not distributes(spool)
        assert Target((spool,)).boxes == (spool,)
        assert (spool.destination, spool.may_block, spool.blocked) == ("h:far", True, False)


async def test_messages_are_safe_and_may_be_sent_when_they_are_committed(tmp_path):
    async with opened(tmp_path) as spool:
        told, more = Told(), []
        spool.on_more = lambda: more.append(list(told))
        assert spool.fetch(100) == []
        assert spool.offer(chunk(1, 2), 2, told) == 2
        assert spool.offer(chunk(3), 1, told) == 1
        assert not told
        assert spool.fetch(100) == []
        await until(lambda: more)
        assert more == [[(2, SAFE), (1, SAFE)]]
        runs = spool.fetch(100)
        assert [(run.epoch, run.first, run.messages) for run in runs] == [(spool.opening, 1, 3)]
        assert names(runs) == [1, 2, 3]
        assert (spool.waiting, spool.unacknowledged, spool.intake.size) == (3, 3, 3 * SIZE)
        spool.release(last(runs))
        assert (spool.waiting, spool.unacknowledged, spool.intake.size, spool.sent) == (0, 0, 0, 3)
        assert balanced(spool)
        await settled(spool)
        assert await rows_in_file(spool) == []


async def test_one_commit_takes_all_that_came_in_while_another_ran(tmp_path):
    async with opened(tmp_path) as spool:
        told = Told()
        for name in range(500):
            spool.offer(chunk(name), 1, told)
            if not name % 100:
                await asyncio.sleep(0)
        await until(lambda: len(told) == 500)
        assert len(await rows_in_file(spool)) <= 5
        assert names(spool.fetch(GIB)) == list(range(500))


async def test_what_waits_is_there_after_a_restart_in_order_and_with_its_numbers(tmp_path):
    async with opened(tmp_path) as spool:
        spool.server = b"the far side"
        spool.offer(chunk(1, 2, 3), 3)
        await settled(spool)
        first = spool.opening
        link = spool.link
        spool.release(MessageNumber(first, names(spool.fetch(GIB))[0]))
    async with opened(tmp_path) as spool:
        assert (spool.link, spool.server) == (link, b"the far side")
        assert spool.opening != first
        assert (spool.waiting, spool.unacknowledged, spool.queued) == (2, 2, 2)
        assert spool.oldest is not None
        spool.offer(chunk(4), 1)
        await settled(spool)
        await until(lambda: len(spool.cursor.ready) == 2)
        runs = spool.fetch(GIB)
        assert [(run.epoch, run.first, run.messages) for run in runs] == [
            (first, 2, 2), (spool.opening, 1, 1),
        ]  # fmt: skip
        assert names(runs) == [2, 3, 4]
        spool.release(last(runs))
        assert (spool.waiting, spool.unacknowledged, spool.intake.size, spool.oldest) == (
            0,
            0,
            0,
            None,
        )
        assert balanced(spool)


async def test_the_far_side_says_what_it_has_before_anything_was_read(tmp_path):
    async with opened(tmp_path) as spool:
        spool.offer(chunk(1, 2, 3), 3)
        await settled(spool)
        epoch = spool.opening
    async with opened(tmp_path) as spool:
        spool.rewind({epoch: 2})
        spool.release(MessageNumber(epoch, 2))
        await until(lambda: spool.sent == 2)
        assert names(spool.fetch(GIB)) == [3]
        assert balanced(spool)


async def test_after_a_cut_the_same_is_sent_again(tmp_path):
    async with opened(tmp_path) as spool:
        for name in range(6):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert names(spool.fetch(2 * SIZE)) == [0, 1]
        spool.rewind({})
        assert names(spool.fetch(GIB)) == [0, 1, 2, 3, 4, 5]
        spool.rewind({spool.opening: 4})
        assert names(spool.fetch(GIB)) == [4, 5]
        assert spool.unacknowledged == 6
        spool.release(MessageNumber(spool.opening, 6))
        assert spool.sent == 6 and balanced(spool)


async def test_what_was_refused_is_not_taken_for_known_after_a_restart(tmp_path):
    link, told = b"link with 16 oct", Told()
    async with opened(tmp_path, size=3 * SIZE, policy="drop-new") as spool:
        assert spool.accept(chunk(1, 2, 3, 4), 4, RunOrigin(link, 5, 1), told) == 3
        await settled(spool)
        await until(lambda: told == [(3, SAFE)])
        assert names(spool.fetch(GIB)) == [1, 2, 3]
        spool.release(MessageNumber(spool.opening, 3))
        assert spool.accept(chunk(5), 1, RunOrigin(link, 5, 5), told) == 1
        await settled(spool)
    async with opened(tmp_path) as spool:
        assert spool.accept(chunk(3, 4, 5), 3, RunOrigin(link, 5, 3), told) == 3
        await settled(spool)
        await until(lambda: len(spool.cursor.ready) > 1)
        assert names(spool.fetch(GIB)) == [5, 4, 5]
        assert spool.duplicates == 1


async def test_numbered_messages_are_taken_once_also_after_a_restart(tmp_path):
    link, told = b"link with 16 oct", Told()
    async with opened(tmp_path) as spool:
        assert spool.accept(chunk(1, 2, 3), 3, RunOrigin(link, 5, 1), told) == 3
        # Before the commit a duplicate is not yet safe.
        assert spool.accept(chunk(2, 3, 4), 3, RunOrigin(link, 5, 2), told) == 3
        assert not told
        await until(lambda: len(told) == 3)
        assert told == [(3, SAFE), (2, SAFE), (1, SAFE)]
        assert spool.accept(chunk(4), 1, RunOrigin(link, 5, 4), told) == 1
        assert told[3:] == [(1, SAFE)]
        assert (spool.duplicates, spool.waiting, spool.queued) == (3, 4, 4)
    async with opened(tmp_path) as spool:
        assert spool.accept(chunk(3, 4), 2, RunOrigin(link, 5, 3), told) == 2
        assert spool.accept(chunk(5), 1, RunOrigin(link, 6, 1), told) == 1
        await settled(spool)
        await until(lambda: len(spool.cursor.ready) > 1)
        assert names(spool.fetch(GIB)) == [1, 2, 3, 4, 5]
        assert spool.duplicates == 2


async def test_a_full_spool_holds_its_senders_back(tmp_path):
    async with opened(tmp_path, size=10 * SIZE) as spool:
        called = []
        spool.offer(chunk(*range(8)), 8)
        assert not spool.blocked
        assert spool.offer(chunk(8, 9, 10), 3) == 3
        assert spool.blocked
        assert spool.offer(chunk(11), 1) == 0  # a sender that cannot wait
        spool.wait(lambda: called.append(1))
        await settled(spool)
        runs = spool.fetch(GIB)
        spool.release(MessageNumber(spool.opening, runs[0].last))
        assert called == [1] and not spool.blocked
        assert dict(spool.dropped) == {"full": 1} and balanced(spool)


async def test_senders_look_again_when_the_link_has_another_store(tmp_path):
    """A spool that is closed has no room any more, however long they wait."""
    async with opened(tmp_path, size=SIZE) as spool:
        called = []
        spool.offer(chunk(1), 1)
        spool.wait(lambda: called.append(spool.blocked))
        spool.close("unused")
        assert called == [True] and not spool.intake.waiters


async def test_drop_new(tmp_path):
    async with opened(tmp_path, size=3 * SIZE, policy="drop-new") as spool:
        assert spool.offer(chunk(1, 2), 2) == 2
        assert spool.offer(chunk(3, 4), 2) == 1
        assert spool.offer(chunk(5), 1) == 0
        await settled(spool)
        assert names(spool.fetch(GIB)) == [1, 2, 3]
        assert dict(spool.dropped) == {"full": 2} and balanced(spool)


async def test_drop_old_leaves_a_gap_and_never_takes_what_was_written_to_the_line(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(store, "MOST_UNCOMMITTED", 0)
    async with opened(tmp_path, size=3 * SIZE, policy="drop-old") as spool:
        for name in (1, 2, 3):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert names(spool.fetch(1)) == [1]
        spool.rewind({})
        assert spool.offer(chunk(4), 1) == 1
        assert dict(spool.dropped) == {"old": 1}
        await settled(spool)
        runs = spool.fetch(GIB)
        assert names(runs) == [1, 3, 4]
        assert [run.first for run in runs] == [1, 3, 4]
        assert spool.offer(chunk(5), 1) == 0  # all was written to the line
        assert dict(spool.dropped) == {"old": 1, "full": 1} and balanced(spool)
        assert await rows_in_file(spool) == [1, 3, 4]


async def test_drop_old_remembers_over_a_restart_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST_UNCOMMITTED", 0)
    async with opened(tmp_path, size=2 * SIZE, policy="drop-old") as spool:
        for name in (1, 2):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert names(spool.fetch(1)) == [1]
    async with opened(tmp_path, size=2 * SIZE, policy="drop-old") as spool:
        await until(lambda: len(spool.cursor.ready) == 2)
        assert spool.offer(chunk(3), 1) == 1
        await settled(spool)
        assert names(spool.fetch(GIB)) == [1, 3]
        assert balanced(spool)


async def test_what_the_far_side_refuses_is_counted_and_handed_on(tmp_path):
    async with opened(tmp_path) as spool:
        dead = []
        spool.on_dead = lambda *one: dead.append(one)
        spool.offer(chunk(1, 2, 3), 3)
        await settled(spool)
        spool.fetch(GIB)
        spool.refuse(spool.opening, 2, 1, "too-big")
        assert not dead
        spool.release(MessageNumber(spool.opening, 3))
        assert dead == [(chunk(2), 1, "too-big")]
        assert (spool.sent, dict(spool.dropped)) == (2, {"too-big": 1}) and balanced(spool)
    async with opened(tmp_path) as spool:
        assert await spool.call(lambda file: file.state.refused) == 1


async def test_memory_is_bounded_however_much_waits(tmp_path):
    memory = Memory()
    body = pack([bytes(100_000)])
    async with opened(tmp_path, memory=memory, full=False) as spool:
        for _ in range(800):
            spool.offer(body, 1)
            if spool.blocked:
                event = asyncio.Event()
                spool.wait(event.set)
                await event.wait()
        await settled(spool)
        assert spool.intake.size == 800 * len(body)
        bound = store.MOST_READY + 2 * store.READ_SIZE
        assert spool.bytes == memory.used <= bound
        got = 0
        while got < 800:
            if not (runs := spool.fetch(1 << 20)):
                event = asyncio.Event()
                spool.on_more = event.set
                await event.wait()
                continue
            got += sum(run.messages for run in runs)
            spool.release(last(runs))
            assert spool.bytes <= bound
        assert (spool.intake.size, spool.waiting, spool.bytes) == (0, 0, 0)
        await until(lambda: (tmp_path / "spool.sqlite3").stat().st_size < 20_000_000)
    assert memory.used == 0


async def test_kept_messages_stay_in_the_file_up_to_a_size(tmp_path):
    body = pack([bytes(10_000)])
    async with opened(tmp_path, keep_size=50_000) as spool:
        for _ in range(10):
            spool.offer(body, 1)
            await settled(spool)
            spool.release(last(spool.fetch(GIB)))
        await settled(spool)
        assert await rows_in_file(spool) == [7, 8, 9, 10]
        assert spool.waiting == 0
        await until(lambda: spool.kept == 4 * len(body))
    async with opened(tmp_path, keep_size=50_000) as spool:
        assert (spool.waiting, spool.fetch(GIB)) == (0, [])
    async with opened(tmp_path) as spool:  # without the option nothing is kept
        spool.offer(body, 1)
        await settled(spool)
        spool.release(last(spool.fetch(GIB)))
        await settled(spool)
        assert await rows_in_file(spool) == []


async def test_a_second_spool_in_the_same_folder_is_refused(tmp_path):
    async with opened(tmp_path):
        with pytest.raises(SpoolInUse, match="another section of this server"):
            async with opened(tmp_path):
                pass


async def test_messages_of_a_damaged_row_are_counted_and_the_others_come(tmp_path):
    async with opened(tmp_path) as spool:
        for name in (1, 2, 3):
            spool.offer(chunk(name), 1)
            await settled(spool)
        sql = "UPDATE runs SET data = x'00' WHERE id = 2"
        await spool.call(lambda file: file._db.execute(sql).fetchall())
    async with opened(tmp_path) as spool:
        await until(lambda: len(spool.cursor.ready) == 2)
        assert names(spool.fetch(GIB)) == [1, 3]
        assert dict(spool.dropped) == {"damaged": 1}
        assert (spool.waiting, spool.unacknowledged) == (2, 2) and balanced(spool)


async def test_a_clock_that_jumps_changes_nothing_but_ages(tmp_path, monkeypatch):
    clock = [1e9]
    monkeypatch.setattr("time.time", lambda: clock[0])
    async with opened(tmp_path, keep_time=60.0) as spool:
        for name, clock[0] in enumerate([1e9, 2e9, 0.0, 1e9 - 1e6, 1e9]):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert names(spool.fetch(GIB)) == [0, 1, 2, 3, 4]
        spool.rewind({})
        assert names(spool.fetch(GIB)) == [0, 1, 2, 3, 4]
        spool.release(MessageNumber(spool.opening, 5))
        assert spool.sent == 5 and balanced(spool)


async def test_calls_on_the_loop_do_not_wait_for_the_disk(tmp_path):
    async with opened(tmp_path) as spool:
        gate = threading.Event()
        held = asyncio.ensure_future(spool.call(lambda file: gate.wait()))
        told = Told()
        await asyncio.sleep(0)
        for name in range(3):
            spool.offer(chunk(name), 1, told)
        spool.accept(chunk(5), 1, RunOrigin(b"x" * 16, 1, 1), told)
        spool.fetch(100)
        spool.rewind({})
        spool.release(MessageNumber(spool.opening, 1))
        await asyncio.sleep(0)
        assert not told
        gate.set()
        await held
        await until(lambda: len(told) == 4)


async def test_limits_may_change(tmp_path):
    async with opened(tmp_path, size=SIZE) as spool:
        spool.offer(chunk(1), 1)
        called = []
        spool.wait(lambda: called.append(1))
        await settled(spool)
        assert spool.blocked
        spool.reconfigure(SpoolLimits(10 * SIZE), FileOptions(tmp_path, full=False))
        spool.offer(chunk(2), 1)
        await settled(spool)
        assert not await spool.call(lambda file: file.full)
        assert called == [1] and not spool.blocked


def test_the_bounds_fit_together():
    assert store.READ_SIZE < store.MOST_READY < intake.MOST_UNCOMMITTED


async def test_senders_that_wait_for_the_opening_go_on_after_it(tmp_path):
    spool = store.Spool("h:far", SpoolLimits(GIB), None, FileOptions(tmp_path / "a"))
    called, told = [], Told()
    assert spool.blocked
    spool.wait(lambda: called.append(spool.blocked))
    assert spool.offer(chunk(1), 1, told) == 1
    assert spool.accept(chunk(2), 1, RunOrigin(b"x" * 16, 1, 1), told) == 1
    await spool.open()
    assert called == [False]
    await until(lambda: told == [(0, HELD), (1, SAFE), (1, SAFE)])
    assert names(spool.fetch(GIB)) == [1, 2] and balanced(spool)
    spool.close("stop")
    await spool.closed()


async def test_what_waits_for_the_opening_is_sent_although_it_is_written_at_once(
    tmp_path, monkeypatch
):
    spool = store.Spool("h:far", SpoolLimits(GIB), None, FileOptions(tmp_path / "a"))
    spool.offer(chunk(1), 1)
    written, post = threading.Event(), SpoolThread._post

    def noted(thread, *call):
        post(thread, *call)
        if any(isinstance(one, SpoolDone) and one.rows for one in call):
            written.set()

    monkeypatch.setattr(SpoolThread, "_post", noted)
    await asyncio.sleep(0)  # now the thread has work
    opening = asyncio.create_task(spool.open())
    await asyncio.sleep(0)
    assert written.wait(60)  # the loop hears of the opening and of the commit in one turn
    await opening
    spool.offer(chunk(2), 1)
    sent = []
    await until(lambda: sent.extend(names(spool.fetch(GIB))) or len(sent) == 2)
    assert sent == [1, 2]
    spool.close("stop")
    await spool.closed()


async def test_a_far_side_that_claims_to_have_everything_brings_it_not_into_memory(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(cursor, "MOST_HAD", 10 * SIZE)
    monkeypatch.setattr(store, "READ_SIZE", 2 * SIZE)
    monkeypatch.setattr(store, "MOST_READY", 4 * SIZE)
    monkeypatch.setattr(rows, "ROW_SIZE", SIZE)
    async with opened(tmp_path) as spool:
        spool.rewind({spool.opening: 1 << 63})
        for name in range(100):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert spool.cursor.taken_size < 20 * SIZE
        assert spool.fetch(GIB) == []
        spool.release(MessageNumber(spool.opening, 50))
        await until(lambda: spool.waiting == 50)
        spool.rewind({})
        sent = []
        await until(lambda: sent.extend(names(spool.fetch(GIB))) or len(sent) == 50)
        assert sent == list(range(50, 100))


async def test_an_opening_that_fails_is_tried_again(tmp_path):
    async with opened(tmp_path) as first:
        spool = store.Spool("h:far", SpoolLimits(GIB, "drop-new"), None, FileOptions(tmp_path))
        told = Told()
        spool.offer(chunk(1), 1, told)
        with pytest.raises(SpoolInUse):
            await spool.open()
        assert not spool.blocked
        assert spool.offer(chunk(2), 1, told) == 0
        assert dict(spool.dropped) == {"failed": 1} and balanced(spool)
        first.close("stop")
        await first.closed()
        await spool.open()
        await until(lambda: told == [(1, SAFE)])
        assert spool.offer(chunk(3), 1) == 1
        spool.close("stop")
        await spool.closed()


@pytest.mark.parametrize(("reason", "outcome"), [("stop", "stop"), ("unused", "failed")])
async def test_what_waits_for_an_opening_that_never_comes_is_told(tmp_path, reason, outcome):
    """When the server stops, its source sends it again."""
    spool, told = store.Spool("h:far", SpoolLimits(GIB), None, FileOptions(tmp_path)), Told()
    spool.offer(chunk(1), 1, told)
    spool.close(reason)
    await spool.closed()
    assert told == [(1, outcome)] and balanced(spool)
    assert not list(tmp_path.iterdir())


async def test_many_small_rows_are_read_by_and_by(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.spool.file.MOST_ROWS", 3)
    monkeypatch.setattr(store, "MOST_ROWS", 3)
    async with opened(tmp_path, full=False) as spool:
        for name in range(10):
            spool.offer(chunk(name), 1)
            await settled(spool)
    async with opened(tmp_path) as spool:
        got = []
        while len(got) < 10:
            await until(lambda: spool.cursor.ready)
            got += names(spool.fetch(SIZE))
        assert got == list(range(10))
