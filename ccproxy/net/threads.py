"""A bounded pool of threads for calls that wait, such as those of files and databases.

Its threads are daemon threads: a call that hangs must never keep the process from ending, which it
does with the executors of the standard library. It must never lose the exception of a call.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

Call = Callable[[], Any]


class Pool:
    """At most `size` threads of one event loop, each started when it is first needed."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._calls: queue.SimpleQueue[tuple[asyncio.Future[Any], Call] | None]
        self._calls = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    async def run(self, call: Call) -> Any:
        """What `call` returns or raises; a call that is cancelled while it waits never begins."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._busy += 1
        if self._busy > len(self._threads) < self._size:
            name = f"{self._name} {len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        self._calls.put((future, call))
        return await future

    def close(self) -> None:
        """End each thread after the call that it runs now; this method does not wait for them."""
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (job := self._calls.get()) is not None:
            future, call = job
            result: Any = None
            error: Exception | None = None
            if not future.cancelled():
                try:
                    result = call()
                except BaseException as raised:  # the caller of `run` gets it, whatever it is
                    error = _carried(raised)
            try:
                self._loop.call_soon_threadsafe(self._done, future, result, error)
            except RuntimeError:
                return  # the loop is closed: the server has ended without waiting for us

    def _done(self, future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        self._busy -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _carried(raised: BaseException) -> Exception:
    """An exception that the caller of `run` can be given: SystemExit itself would end the loop."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    return RuntimeError(f"{raised!r} in a thread")
