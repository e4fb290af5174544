"""One session of an asyncio service: its connection, and whether it has to be closed.

It must never close the connection by itself: a unit of work may be under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ccproxy.service.events import CloseWanted, News

_Result = TypeVar("_Result")


class AsyncSession:
    """`reader` and `writer` are its connection; `closing` is set when it has to be closed soon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.key = 0
        self.reader = reader
        self.writer = writer
        self.closing = asyncio.Event()
        self.on_close: Callable[[], None] | None = None
        """Called when it has to be closed, on the loop."""
        self._loop = asyncio.get_running_loop()

    async def unless_closing(
        self, wait: Coroutine[Any, Any, _Result], otherwise: _Result
    ) -> _Result:
        """What `wait` brings, or `otherwise` as soon as the session has to be closed: for the
        wait between two units of work, such as `unless_closing(reader.readline(), b"")`."""
        waiting = self._loop.create_task(wait)
        closing = self._loop.create_task(self.closing.wait())
        try:
            await asyncio.wait({waiting, closing}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else otherwise
        finally:
            for task in (waiting, closing):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    def deliver(self, news: News) -> None:
        """What becomes of the session, from the thread of the control link."""
        if isinstance(news, CloseWanted):
            with suppress(RuntimeError):  # the loop is closed, and the session with it
                self._loop.call_soon_threadsafe(self._want_close)

    def _want_close(self) -> None:
        self.closing.set()
        if self.on_close is not None:
            self.on_close()
