"""Coroutines of plugins: what ends them is an ordinary exception, what ends the caller is not."""

import asyncio
import time

import pytest

from ccproxy.core.plugin_code import PluginExit
from ccproxy.server.coroutines import awaited, within


def failing(error):
    async def start():
        await asyncio.sleep(0)
        raise error

    return start


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), BaseException()]
)
async def test_what_would_end_the_loop_is_an_ordinary_exception(error):
    with pytest.raises(PluginExit) as caught:
        await awaited(failing(error))
    assert caught.value.__cause__ is error
    assert caught.traceback[-1].name == "start"


async def test_an_ordinary_exception_stays_itself():
    with pytest.raises(KeyError):
        await awaited(failing(KeyError("x")))


async def test_a_coroutine_that_cancels_itself_does_not_cancel_its_caller():
    async def start():
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    with pytest.raises(PluginExit, match="CancelledError"):
        await awaited(start)
    assert not asyncio.current_task().cancelling()


async def test_a_call_may_raise_before_there_is_a_coroutine():
    def start():
        raise SystemExit(3)

    with pytest.raises(PluginExit, match=r"raised SystemExit\(3\)"):
        await awaited(start)


async def test_a_plain_function_is_named_with_its_file():
    class Handler:
        def start(self):
            pass

    with pytest.raises(TypeError) as caught:
        await awaited(Handler().start)
    expected = "start returned None, expected a coroutine: write `async def start`"
    assert str(caught.value) == f"{expected} ({__file__})"


async def test_the_cancellation_of_the_caller_reaches_the_coroutine():
    begun, ended = asyncio.Event(), []

    async def start():
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    caller = asyncio.create_task(awaited(start))
    await begun.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert caller.cancelled()
    assert ended == [True]


async def test_a_limit_of_time_holds():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await awaited(lambda: asyncio.sleep(60))


async def test_a_pause_of_the_whole_process_costs_only_a_part_of_the_time():
    ended = []

    async def stop():
        time.sleep(0.3)
        await asyncio.sleep(0.001)
        ended.append("here")

    await within(0.1, stop())
    assert ended


@pytest.mark.parametrize("cancelled", [False, True])
async def test_what_takes_too_long_is_cancelled_and_so_is_what_nobody_waits_for(cancelled):
    ended, begun = [], asyncio.Event()

    async def stop():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            ended.append("here")

    waits = asyncio.create_task(within(60.0 if cancelled else 0.02, stop()))
    await begun.wait()
    if cancelled:
        waits.cancel()
    with pytest.raises(asyncio.CancelledError if cancelled else TimeoutError):
        await waits
    assert ended


async def test_the_error_of_what_is_in_time_is_passed_on():
    with pytest.raises(KeyError):
        await within(60.0, failing(KeyError("x"))())
