"""Coroutines of plugins, such as `start` and `stop`, each awaited in a task of its own.

What ends such a task ends nothing else: the caller gets an ordinary exception. It must never take
a cancellation of the caller for a fault of the plugin.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ccproxy.core.plugin_code import exit_of, file_of

PARTS = 8
"""In so many parts `within` waits."""


async def awaited(call: Callable[..., Awaitable[None]], *args: object) -> None:
    """Await what `call(*args)` of a plugin returns; PluginExit if it raises no Exception.

    TypeError if nothing can be awaited. CancelledError only if the caller was cancelled.
    """
    caller = asyncio.current_task()
    task = asyncio.create_task(_run(call, args))
    try:
        await task
    except (asyncio.CancelledError, GeneratorExit) as error:
        if not task.done() or (caller is not None and caller.cancelling()):
            raise
        raise exit_of(error) from error


async def within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Await this for so many seconds; TimeoutError if it takes longer, and it is cancelled.

    The time is waited for in parts: while the whole process stands still, as it does on a machine
    that is too busy, that costs one part, and the timers of `work` are not all late at once.
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(PARTS - 1):
            if (await asyncio.wait({task}, timeout=seconds / PARTS))[0]:
                break
        await asyncio.wait_for(task, seconds / PARTS)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise


async def _run(call: Callable[..., Awaitable[None]], args: tuple[object, ...]) -> None:
    """Keep what would end the loop inside the task; a task may end by the rest."""
    try:
        work = call(*args)
        if not inspect.isawaitable(work):
            raise TypeError(_not_awaitable(call, work))
        await work
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        raise exit_of(error) from error


def _not_awaitable(call: Callable[..., Awaitable[None]], found: object) -> str:
    name = getattr(call, "__name__", "call")
    place = file_of(getattr(call, "__self__", call))
    return (
        f"{name} returned {found!r:.80}, expected a coroutine: write `async def {name}` ({place})"
    )
