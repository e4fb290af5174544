"""Records on their way into the state file, and the messages that have to wait for them.

All records of a turn of the loop become one transaction; the messages that follow them are written
when that is done, in their order, while the next batch is gathered. It must never let a message
leave whose records are not in the state file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from ccproxy import Context

from ...state_file import StateFile
from ..journal import Record, last
from ..notices import Notice
from .engine.rows import JOURNAL

MAX_WAITING = 200_000
"""Records and messages that may wait for the state file; then the Manager takes no more."""
RETRY_INTERVAL = 0.5
"""Seconds between two attempts to write what could not be written."""
GATHER_TIME = 0.002
"""Seconds that changes which came during a transaction wait for more of their kind."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether the state file is still there."""
CALLS_AT_ONCE = 200
"""Messages that leave in one turn of the loop; thousands may have waited for one transaction."""
CLOSE_TIMEOUT = 1.5
"""Seconds that the end may wait for what is on its way."""
POLL_INTERVAL = 0.01
"""Seconds between two looks at whether everything is written, at the end."""


@dataclass(slots=True)
class Batch:
    """What one transaction holds, and what is to be done after it."""

    records: list[Record] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class DurableWriter:
    """`add` and `then` gather; a task of its own does the rest."""

    def __init__(self, ctx: Context, file: StateFile, notice: Callable[[Notice], None]) -> None:
        self.written = 0
        self.commits = 0
        self.fault = ""
        """Why the state file cannot be written, empty if it can."""
        self._ctx = ctx
        self._file = file
        self._notice = notice
        self._batch = Batch()
        self._waiting = 0
        self._busy = False
        self._ended = False
        ctx.every(LOOK_INTERVAL, self.look)

    @property
    def full(self) -> bool:
        """True if too much waits."""
        return self._waiting >= MAX_WAITING

    @property
    def waiting(self) -> int:
        """Records and messages on their way."""
        return self._waiting

    def add(self, record: Record) -> None:
        """Write a record before what follows it is done."""
        self._batch.records.append(record)
        self._begin()

    def then(self, call: Callable[[], None]) -> None:
        """Call when all records so far are written."""
        self._batch.after.append(call)
        self._begin()

    async def end(self) -> None:
        """Wait a moment for what is on its way, then let go of the file."""
        for _ in range(int(CLOSE_TIMEOUT / POLL_INTERVAL)):
            if not self._busy:
                break
            await asyncio.sleep(POLL_INTERVAL)
        self._ended = True
        if not self._busy:
            try:
                await self._ctx.run_blocking(self._file.close)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)

    def look(self) -> None:
        """Have the file written anew if it has vanished while there was nothing to write."""
        if not self._busy and not self._ended:
            self._busy = True
            self._ctx.task(self._look())

    def _begin(self) -> None:
        self._waiting += 1
        if not self._busy:
            self._busy = True
            # The task begins in the next turn of the loop: this one is gathered as a whole.
            self._ctx.task(self._write_batches())

    async def _look(self) -> None:
        try:
            await self._ctx.run_blocking(self._file.restore_vanished)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        else:
            self._succeeded()
        # What came in the meantime is written now; without anything this ends at once.
        await self._write_batches()

    async def _write_batches(self) -> None:
        try:
            while self._batch.records or self._batch.after:
                batch, self._batch = self._batch, Batch()
                if batch.records:
                    await self._write(batch.records)
                for number, call in enumerate(batch.after, 1):
                    self._call(call)
                    if number % CALLS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                self._waiting -= len(batch.records) + len(batch.after)
                if self._batch.records:
                    # Under load fewer, larger transactions: a tenth less work at 1,000 sessions/s.
                    await asyncio.sleep(GATHER_TIME)
        finally:
            self._busy = False

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (ValueError, TypeError, LookupError, OSError):
            # One message that cannot be written must not hold up all others.
            self._ctx.log.exception("message not written")

    def _failed(self, error: Exception) -> None:
        """Say once that the file cannot be written."""
        if not self.fault:
            what = f"cannot be written, nothing leaves: {error}"
            self._notice(Notice("state file", self._file.path, what, alarm=True))
        self.fault = str(error)

    def _succeeded(self) -> None:
        """Say that the file can be written, if it could not."""
        if self.fault:
            self._notice(Notice("state file", self._file.path, "can be written again"))
            self.fault = ""

    async def _write(self, records: list[Record]) -> None:
        while not self._ended:
            try:
                self.written += await self._ctx.run_blocking(_write_rows, self._file, records)
                self.commits += 1
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                await asyncio.sleep(RETRY_INTERVAL)
                continue
            self._succeeded()
            return
        raise ConnectionError("the state file is closed")


def _write_rows(file: StateFile, records: list[Record]) -> int:
    """In a thread; how many rows were written."""
    latest = [JOURNAL.to_text(one) for one in last(records).values()]
    file.write(latest)
    return len(latest)
