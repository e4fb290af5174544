import asyncio
import sys
import threading

import pytest

from ccproxy.net.threads import Pool


async def test_results_and_exceptions_come_back():
    pool = Pool(2, "test")
    assert await pool.run(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    pool.close()


@pytest.mark.parametrize("call", [sys.exit, lambda: next(iter(()))], ids=["exit", "stop"])
async def test_what_would_end_the_loop_is_an_error_of_who_asked(call):
    pool = Pool(1, "test")
    with pytest.raises(RuntimeError, match="in a thread"):
        await pool.run(call)
    assert await pool.run(lambda: "still there") == "still there"
    pool.close()


async def test_no_more_threads_than_allowed_and_none_without_need():
    pool = Pool(3, "test")
    seen = set()
    both = threading.Barrier(3)

    def meet():
        seen.add(threading.current_thread().name)
        both.wait(60)

    await asyncio.gather(*(pool.run(meet) for _ in range(9)))
    assert seen == {"test 0", "test 1", "test 2"}
    pool.close()
    one = Pool(3, "one")
    for _ in range(5):
        await one.run(lambda: seen.add(threading.current_thread().name))
    assert {name for name in seen if name.startswith("one")} == {"one 0"}
    one.close()


async def test_what_is_cancelled_before_it_began_never_begins():
    pool = Pool(1, "test")
    go = threading.Event()
    begun = []
    first = asyncio.ensure_future(pool.run(lambda: go.wait(60)))
    second = asyncio.ensure_future(pool.run(lambda: begun.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go.set()
    assert await first
    assert await pool.run(lambda: "third") == "third"
    assert begun == []
    pool.close()


async def test_a_call_that_is_cancelled_while_it_runs_harms_nobody():
    pool = Pool(1, "test")
    go = threading.Event()
    call = asyncio.ensure_future(pool.run(lambda: go.wait(60)))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    go.set()
    assert await pool.run(lambda: "next") == "next"
    pool.close()


def test_threads_do_not_outlive_the_loop_with_an_error():
    go = threading.Event()

    async def main():
        pool = Pool(1, "test")
        call = asyncio.ensure_future(pool.run(lambda: go.wait(60)))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        pool.close()
        return pool

    pool = asyncio.run(main())
    go.set()
    pool._threads[0].join(60)
    assert not pool._threads[0].is_alive()
