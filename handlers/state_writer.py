"""The task that writes a state file: begun by changes that have gathered, and ended without them.

A subclass gathers, and writes in its task what has gathered. While there is nothing to write, the
task looks now and then whether the file is still there. This module must never touch the file on
the loop, nor know what a row means.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ccproxy import Context

from .state_file import StateFile

RETRY_INTERVAL = 0.5
"""Seconds between two attempts to write what could not be written."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether the state file is still there."""
CLOSE_TIMEOUT = 1.5
"""Seconds that the end may wait for what is on its way."""
POLL_INTERVAL = 0.01
"""Seconds between two looks at whether everything is written, at the end."""


class StateWriter:
    """One file, and one task at a time that uses it."""

    def __init__(self, ctx: Context, file: StateFile) -> None:
        self.fault = ""
        """Why the file cannot be written, empty if it can."""
        self.commits = 0
        """Transactions."""
        self._ctx = ctx
        self._file = file
        self._busy = self._ended = False
        ctx.every(LOOK_INTERVAL, self.look)

    @property
    def idle(self) -> bool:
        """True if nothing is on its way into the file."""
        return not self._busy

    def look(self) -> None:
        """Have the file written anew if it has vanished while there was nothing to write."""
        self._begin(look=True)

    async def end(self) -> None:
        """Wait a moment for what is on its way, then let go of the file."""
        for _ in range(int(CLOSE_TIMEOUT / POLL_INTERVAL)):
            if not self._busy:
                break
            await asyncio.sleep(POLL_INTERVAL)
        self._ended = True
        if self._busy:
            return
        try:
            await self._ctx.run_blocking(self._file.close)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    async def _write_all(self) -> None:
        """Write until nothing has gathered."""
        raise NotImplementedError

    def _say(self, fault: str) -> None:
        """Tell an operator why the file cannot be written, or with "" that it can be again."""
        raise NotImplementedError

    def _begin(self, look: bool = False) -> None:
        """Have the task do what is to be done, unless it is at work. What gathers after the end is
        not written, so whoever waits for it is not told that it is."""
        if not (self._busy or self._ended):
            self._busy = True
            # The task begins in the next turn of the loop: this one is gathered as a whole.
            self._ctx.task(self._work(look))

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Around what is done with the file; then `fault` says whether it succeeded."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return
        if self.fault:
            self._say("")
            self.fault = ""

    async def _work(self, look: bool) -> None:
        try:
            if look:
                with self._attempt():
                    await self._ctx.run_blocking(self._file.restore_vanished)
            await self._write_all()
        finally:
            self._busy = False

    def _failed(self, error: Exception) -> None:
        """Say once that the file cannot be written."""
        fault = str(error) or type(error).__name__
        if not self.fault:
            self._say(fault)
        self.fault = fault
