import asyncio

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
