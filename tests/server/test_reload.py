"""Reloads one after the other; each request is answered by one that began after it."""

import asyncio
from types import SimpleNamespace

from ccproxy.config.diff import Change, Delta
from ccproxy.config.problems import Problem
from ccproxy.server.reload import MAX_SAID, STOPPING, ReloadOutcome, Reloads, keys_read, text_of


class Work:
    """A reload that waits until it is told how it ends."""

    def __init__(self):
        self.begun = 0
        self.ends = asyncio.Queue()

    async def __call__(self):
        self.begun += 1
        return ReloadOutcome(True, await self.ends.get())


async def test_a_request_is_answered_by_the_next_reload_not_by_the_one_under_way(until):
    work = Work()
    reloads = Reloads(work)
    running = asyncio.ensure_future(reloads.run())
    first = asyncio.ensure_future(reloads.outcome())
    await until(lambda: work.begun == 1)
    others = [asyncio.ensure_future(reloads.outcome()) for _ in range(3)]
    await asyncio.sleep(0)
    work.ends.put_nowait("one")
    assert (await first).text == "one"
    assert not any(one.done() for one in others)
    work.ends.put_nowait("two")
    assert [(await one).text for one in others] == ["two"] * 3
    assert work.begun == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_signals_that_come_before_it_begins_are_one_reload(until):
    work = Work()
    reloads = Reloads(work)
    for _ in range(5):
        reloads.ask()
    running = asyncio.ensure_future(reloads.run())
    await until(lambda: work.begun == 1)
    work.ends.put_nowait("done")
    await until(work.ends.empty)
    await asyncio.sleep(0)
    assert work.begun == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_end_answers_all_requests(until):
    work = Work()
    reloads = Reloads(work)
    running = asyncio.ensure_future(reloads.run())
    under_way = asyncio.ensure_future(reloads.outcome())
    await until(lambda: work.begun == 1)
    queued = asyncio.ensure_future(reloads.outcome())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await under_way is await queued is await reloads.outcome() is STOPPING


async def test_a_caller_that_has_left_is_no_obstacle(until):
    work = Work()
    reloads = Reloads(work)
    running = asyncio.ensure_future(reloads.run())
    gone, waiting = [asyncio.ensure_future(reloads.outcome()) for _ in range(2)]
    await until(lambda: work.begun == 1)
    gone.cancel()
    work.ends.put_nowait("done")
    assert (await waiting).text == "done"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_whose_fault_it_was():
    warning, mistake = Problem("x", 1, "odd", warning=True), Problem("x", 2, "wrong")
    assert ReloadOutcome(False, "", problems=(warning, mistake)).bad_configuration
    assert not ReloadOutcome(False, "", problems=(warning,)).bad_configuration
    assert not ReloadOutcome(True, "", problems=(warning,)).bad_configuration


def test_a_reload_reads_the_keys_of_listeners_again():
    options = [
        SimpleNamespace(),
        SimpleNamespace(curve_secret=""),
        SimpleNamespace(tls_certificate="x"),
    ]
    listeners = [SimpleNamespace(options=one) for one in options]
    assert keys_read(SimpleNamespace(listeners=listeners[:2])) == []
    [said] = keys_read(SimpleNamespace(listeners=listeners))
    assert said == "the keys and certificates of listeners were read again"


def test_the_text_of_an_outcome_holds_what_handlers_say_and_not_without_end():
    nothing = Change(Delta(), Delta(), False, (), ())
    assert text_of(nothing, []) == "nothing changed"
    assert text_of(nothing, ["[a] one", "[a] two"]) == "[a] one; [a] two"
    routes = Change(Delta(), Delta(), True, (), ())
    assert text_of(routes, ["[a] one"]) == "routes changed; [a] one"
    assert text_of(nothing, ["x"] * (MAX_SAID + 3)).endswith("; x; and 3 more")


async def test_whether_one_is_under_way(until):
    work = Work()
    reloads = Reloads(work)
    assert not reloads.under_way
    reloads.ask()
    assert reloads.under_way
    running = asyncio.ensure_future(reloads.run())
    await until(lambda: work.begun == 1)
    assert reloads.under_way
    work.ends.put_nowait("done")
    await until(lambda: not reloads.under_way)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
