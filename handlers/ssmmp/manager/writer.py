"""Records on their way into the state file, and the messages that have to wait for them.

All records of a turn of the loop become one transaction; the messages that follow them are written
when that is done, in their order, while the next batch is gathered. It must never let a message
leave whose records are not in the state file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ccproxy import Context

from ...state_file import StateFile
from ...state_writer import RETRY_INTERVAL, StateWriter
from ..journal import Record, last
from ..notices import Notice
from .engine.rows import JOURNAL

MAX_WAITING = 200_000
"""Records and messages that may wait for the state file; then the Manager takes no more."""
GATHER_TIME = 0.002
"""Seconds that changes which came during a transaction wait for more of their kind."""
CALLS_AT_ONCE = 200
"""Messages that leave in one turn of the loop; thousands may have waited for one transaction."""


@dataclass(slots=True)
class Batch:
    """What one transaction holds, and what is to be done after it."""

    records: list[Record] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class DurableWriter(StateWriter):
    """`add` and `then` gather; a task of its own does the rest."""

    def __init__(self, ctx: Context, file: StateFile, notice: Callable[[Notice], None]) -> None:
        super().__init__(ctx, file)
        self.written = 0
        self._notice = notice
        self._batch = Batch()
        self._waiting = 0

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
        self._waiting += 1
        self._begin()

    def then(self, call: Callable[[], None]) -> None:
        """Call when all records so far are written."""
        self._batch.after.append(call)
        self._waiting += 1
        self._begin()

    async def _write_all(self) -> None:
        while self._batch.records or self._batch.after:
            batch, self._batch = self._batch, Batch()
            if batch.records and not await self._write(batch.records):
                self._ctx.log.warning("stopped, records not written: %d", len(batch.records))
                return
            for number, call in enumerate(batch.after, 1):
                self._call(call)
                if number % CALLS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._waiting -= len(batch.records) + len(batch.after)
            if self._batch.records:
                # Under load fewer, larger transactions: a tenth less work at 1,000 sessions/s.
                await asyncio.sleep(GATHER_TIME)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (ValueError, TypeError, LookupError, OSError):
            # One message that cannot be written must not hold up all others.
            self._ctx.log.exception("message not written")

    def _say(self, fault: str) -> None:
        what = f"cannot be written, nothing leaves: {fault}" if fault else "can be written again"
        self._notice(Notice("state file", self._file.path, what, alarm=bool(fault)))

    async def _write(self, records: list[Record]) -> bool:
        """False if the end has come first: nothing is told as written then."""
        while not self._ended:
            with self._attempt():
                self.written += await self._ctx.run_blocking(_write_rows, self._file, records)
                self.commits += 1
            if not self.fault:
                return True
            await asyncio.sleep(RETRY_INTERVAL)
        return False


def _write_rows(file: StateFile, records: list[Record]) -> int:
    """In a thread; how many rows were written."""
    latest = [JOURNAL.to_text(one) for one in last(records).values()]
    file.write(latest)
    return len(latest)
