"""All that is said in one turn of the loop goes to the thread at once."""

import asyncio

import pytest

from ccproxy.spool.handover import Handover
from ccproxy.spool.rows import OfferedRun


def taken(handover):
    return [handover.queue.get_nowait() for _ in range(handover.queue.qsize())]


async def test_one_turn_is_one_piece_of_work():
    told = []
    handover = Handover(lambda: told.append(1))
    for number in range(3):
        handover.work.items.append(OfferedRun(b"x", number))
        handover.schedule()
    assert not taken(handover)
    await asyncio.sleep(0)
    [work] = taken(handover)
    assert [item.messages for item in work.items] == [0, 1, 2]
    await asyncio.sleep(0)
    assert not taken(handover) and told == [1]


async def test_the_last_work_says_stop_and_nothing_follows():
    handover = Handover(lambda: None)
    handover.schedule()
    handover.close()
    handover.close()
    handover.schedule()
    await asyncio.sleep(0)
    first, *others = taken(handover)
    assert first.stop and not any(work.stop or work.items for work in others)


async def test_a_call_gets_its_answer():
    handover = Handover(lambda: None)
    call = asyncio.ensure_future(handover.call(len))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    [work] = taken(handover)
    [(function, future)] = work.calls
    assert function is len
    future.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await call
