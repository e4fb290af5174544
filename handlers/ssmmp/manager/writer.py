"""Actions on their way out: what is to be kept and what is to be written, gathered turn by turn.

All records of a turn of the loop become one transaction; its messages are written when that is
done, in their order, while the next turn is gathered. It must never write a message whose records
are not in the state file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from ccproxy import Context

from ..journal import Record, last
from ..store_file import StateFile
from .engine.rows import JOURNAL

MOST = 200_000
"""Records and messages that may wait for the state file; then the Manager takes no more."""
PAUSE = 0.5
"""Seconds between two attempts to write what could not be written."""
GATHER = 0.002
"""Seconds that changes which came during a transaction wait for more of their kind."""
LAST = 1.5
"""Seconds that the end may wait for what is on its way."""


@dataclass(slots=True)
class Turn:
    """What one transaction holds, and what is to be done after it."""

    records: list[Record] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class Turns:
    """`add` and `then` gather; the rest happens by itself."""

    def __init__(self, ctx: Context, file: StateFile) -> None:
        self.written = 0
        self.commits = 0
        self.fault = ""
        """Why the state file cannot be written, empty if it can."""
        self._ctx = ctx
        self._file = file
        self._turn = Turn()
        self._waiting = 0
        self._busy = False
        self._ended = False

    @property
    def full(self) -> bool:
        """True if too much waits."""
        return self._waiting >= MOST

    @property
    def waiting(self) -> int:
        """Records and messages on their way."""
        return self._waiting

    def add(self, record: Record) -> None:
        """Keep a record before whatever follows."""
        self._turn.records.append(record)
        self._begin()

    def then(self, call: Callable[[], None]) -> None:
        """Call when all records so far are kept."""
        self._turn.after.append(call)
        self._begin()

    async def end(self) -> None:
        """Wait a moment for what is on its way, then let go of the file."""
        for _ in range(int(LAST / 0.01)):
            if not self._busy:
                break
            await asyncio.sleep(0.01)
        self._ended = True
        if not self._busy:
            await self._ctx.run_blocking(self._file.close)

    def _begin(self) -> None:
        self._waiting += 1
        if not self._busy:
            self._busy = True
            # The task begins in the next turn of the loop: this one is gathered as a whole.
            self._ctx.task(self._work())

    async def _work(self) -> None:
        try:
            while self._turn.records or self._turn.after:
                turn, self._turn = self._turn, Turn()
                if turn.records:
                    await self._keep(turn.records)
                for call in turn.after:
                    self._call(call)
                self._waiting -= len(turn.records) + len(turn.after)
                if self._turn.records:
                    # Under load fewer, larger transactions: a tenth less work at 1,000 sessions/s.
                    await asyncio.sleep(GATHER)
        finally:
            self._busy = False

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (ValueError, TypeError, LookupError, OSError):
            # One message that cannot be written must not hold up all others.
            self._ctx.log.exception("message not written")

    async def _keep(self, records: list[Record]) -> None:
        while not self._ended:
            try:
                self.written += await self._ctx.run_blocking(_write, self._file, records)
                self.commits += 1
            except (sqlite3.Error, OSError) as error:
                if not self.fault:
                    self._ctx.log.error("state file cannot be written, waiting: %s", error)
                self.fault = str(error)
                await asyncio.sleep(PAUSE)
                continue
            if self.fault:
                self._ctx.log.warning("state file can be written again")
                self.fault = ""
            return
        raise ConnectionError("the state file is closed")


def _write(file: StateFile, records: list[Record]) -> int:
    """In a thread; how many rows were written."""
    latest = [JOURNAL.to_text(one) for one in last(records).values()]
    file.write(latest)
    return len(latest)
