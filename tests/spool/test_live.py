"""What an operator does with a spool that is in use."""

import asyncio

import pytest

from ccproxy.core.delivery.store import MessageNumber
from ccproxy.spool import live
from tests.core.delivery.test_store import balanced, chunk, names
from tests.spool.test_store import GIB, SIZE, last, opened, settled, until


async def kept(spool, *messages):
    """Let messages be acknowledged, a run each."""
    for name in messages:
        spool.offer(chunk(name), 1)
        await settled(spool)
        spool.release(last(spool.fetch(GIB)))
    await settled(spool)


async def test_acknowledged_messages_are_sent_again(tmp_path):
    async with opened(tmp_path, keep_size=GIB) as spool:
        await kept(spool, 1, 2, 3)
        assert await live.replay(spool, (2, 0.0)) == 2
        await settled(spool)
        runs = spool.fetch(GIB)
        assert names(runs) == [2, 3]
        assert runs[0].first == 4  # new messages: no far side takes them for duplicates
        spool.release(last(runs))
        assert balanced(spool)


async def test_a_replay_waits_for_room(tmp_path):
    async with opened(tmp_path, keep_size=GIB, size=2 * SIZE) as spool:
        await kept(spool, *range(6))
        replay = asyncio.ensure_future(live.replay(spool, (1, 0.0)))
        got = []
        while len(got) < 6:
            await until(lambda: spool.cursor.ready)
            assert spool.waiting <= 2
            runs = spool.fetch(GIB)
            got += names(runs)
            spool.release(last(runs))
        assert await replay == 6
        assert got == list(range(6))
        assert dict(spool.dropped) == {} and balanced(spool)


@pytest.mark.parametrize("to", [None, 3])
async def test_what_waits_is_dropped(tmp_path, to):
    async with opened(tmp_path) as spool:
        for name in range(1, 6):
            spool.offer(chunk(name), 1)
            await settled(spool)
        spool.fetch(1)
        left = [] if to is None else [4, 5]
        assert await live.drop(spool, to) == 5 - len(left)
        assert (spool.waiting, spool.intake.size) == (len(left), SIZE * len(left))
        assert spool.dropped["operator"] == 5 - len(left) and balanced(spool)
        spool.release(MessageNumber(spool.opening, 1))  # of a message that was on its way
        assert names(spool.fetch(GIB)) == left
    async with opened(tmp_path) as spool:
        assert spool.waiting == len(left)


async def test_rows_that_are_only_on_the_disk_are_dropped_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.spool.store.MOST_READY", 2 * SIZE)
    monkeypatch.setattr("ccproxy.spool.store.READ_SIZE", SIZE)
    async with opened(tmp_path) as spool:
        for name in range(1, 11):
            spool.offer(chunk(name), 1)
            await settled(spool)
        assert spool.cursor.end < 8
        assert await live.drop(spool, 8) == 8
        await until(lambda: spool.cursor.ready)
        got = names(spool.fetch(1))
        await until(lambda: spool.cursor.ready)
        assert got + names(spool.fetch(1)) == [9, 10]
        spool.release(MessageNumber(spool.opening, 10))
        assert (spool.waiting, spool.intake.size, spool.sent) == (0, 0, 2) and balanced(spool)
