import asyncio

from ccproxy.net import flush as module
from ccproxy.net.flush import FlushQueue


class Flushed:
    def __init__(self, log, name, then=None):
        self.log, self.name, self.then = log, name, then

    def flush(self):
        self.log.append(self.name)
        if self.then:
            self.then()


async def test_who_asked_is_flushed_once_at_the_end_of_the_turn():
    log = []
    flush_queue = FlushQueue(asyncio.get_running_loop())
    for name in "ab":
        flush_queue.flush_later(Flushed(log, name))
    assert log == []
    await asyncio.sleep(0)
    assert log == ["a", "b"]
    await asyncio.sleep(0)
    assert log == ["a", "b"]


async def test_who_asks_while_others_are_flushed_comes_in_the_next_turn():
    log = []
    flush_queue = FlushQueue(asyncio.get_running_loop())
    later = Flushed(log, "later")
    flush_queue.flush_later(Flushed(log, "first", then=lambda: flush_queue.flush_later(later)))
    await asyncio.sleep(0)
    assert log == ["first"]
    await asyncio.sleep(0)
    assert log == ["first", "later"]


async def test_a_busy_loop_stays_awake_for_a_moment_and_no_longer():
    loop = asyncio.get_running_loop()
    flush_queue = FlushQueue(loop, busy_poll=0.2)
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


async def test_a_crowd_is_flushed_in_several_turns_and_in_order(monkeypatch):
    log, clock = [], iter(range(1000))
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    flush_queue = FlushQueue(asyncio.get_running_loop())
    for number in range(100):
        again = Flushed(log, "again")
        then = (lambda again=again: flush_queue.flush_later(again)) if number == 0 else None
        flush_queue.flush_later(Flushed(log, number, then))
    sizes = []
    while len(log) < 101:
        await asyncio.sleep(0)
        sizes.append(len(log))
    assert sizes == [module.PART, 2 * module.PART, 3 * module.PART, 101]
    assert log == [*range(100), "again"]
