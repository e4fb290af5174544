"""The state file of a registrar, and the answers that wait for it.

All changes of a turn of the loop become one transaction in a thread; their answers leave when it
is done, while the next changes gather. If it fails, they are answered by an error, the changes stay
and are tried again, and nothing more is changed until that succeeds. This module must never write
on the loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ccproxy import Context

from ..state_file import StateFile, Text
from .actions import KINDS, Altered, Registry
from .expiry import Expiry
from .records import TopicRecord, parse, record_of

RETRY_INTERVAL = 0.5
"""Seconds between two attempts to write what could not be written."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether the state file is still there."""
ANSWERS_AT_ONCE = 200
"""Answers that leave in one turn of the loop."""
CLOSE_TIMEOUT = 1.5
"""Seconds that the end may wait for what is on its way."""
POLL_INTERVAL = 0.01
"""Seconds between two looks at whether everything is written, at the end."""

Done = Callable[[str], None]
"""Told why a change is not in the file, or "" once it is."""


@dataclass(slots=True)
class Waiting:
    """One change on its way into the file. `address` is that of the client."""

    altered: Altered
    address: str
    done: Done | None

    def tell(self, fault: str) -> None:
        """Say once what became of it."""
        call, self.done = self.done, None
        if call is not None:
            call(fault)

    def rows(self) -> Iterator[Text]:
        """What changes in the file."""
        altered = self.altered
        if altered.added is not None:
            text = f"{self.address} {b64encode(altered.added.body).decode()}"
            yield altered.kind, str(altered.registered), text
        for kind, removal in altered.removals.items():
            for number in removal.numbers:
                yield kind, str(number), None


class DurableRecords:
    """`commit` gathers; a task of its own does the rest."""

    def __init__(self, ctx: Context, file: StateFile, settle: Callable[[Altered], None]) -> None:
        """`settle` is called with each change that is in the file."""
        self.fault = ""
        """Why the file cannot be written, empty if it can."""
        self.commits = 0
        self._ctx = ctx
        self._file = file
        self._settle = settle
        self._gathered: list[Waiting] = []
        self._busy = self._ended = False
        ctx.every(LOOK_INTERVAL, self._look)

    @property
    def idle(self) -> bool:
        """True if nothing is on its way into the file."""
        return not self._busy

    def commit(self, altered: Altered, address: str, done: Done | None) -> None:
        """Write a change that has been made."""
        self._gathered.append(Waiting(altered, address, done))
        if not self._busy:
            self._busy = True
            # The task begins in the next turn of the loop: this one is gathered as a whole.
            self._ctx.task(self._write_all())

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

    def _look(self) -> None:
        """Have the file written anew if it has vanished while there was nothing to write."""
        if not self._busy and not self._ended:
            self._busy = True
            self._ctx.task(self._write_all(look=True))

    async def _write_all(self, look: bool = False) -> None:
        try:
            while (self._gathered or look) and not self._ended:
                look = False
                batch, self._gathered = self._gathered, []
                await self._write(batch)
        finally:
            self._busy = False

    async def _write(self, batch: list[Waiting]) -> None:
        """Write until it succeeds; those that wait know after the first attempt."""
        while not self._ended:
            try:
                await self._ctx.run_blocking(_write_rows, self._file, batch)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                batch += self._gathered
                self._gathered = []
                await self._tell(batch)
                await asyncio.sleep(RETRY_INTERVAL)
                continue
            self._succeeded()
            self.commits += bool(batch)
            await self._tell(batch)
            for one in batch:
                self._settle(one.altered)
            return

    async def _tell(self, batch: Sequence[Waiting]) -> None:
        for number, one in enumerate(batch, 1):
            one.tell(self.fault)
            if number % ANSWERS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _failed(self, error: Exception) -> None:
        """Say once that the file cannot be written."""
        if not self.fault:
            self._ctx.log.error("registrations cannot be kept: %s: %s", self._file.path, error)
        self.fault = str(error)

    def _succeeded(self) -> None:
        """Say that the file can be written, if it could not."""
        if self.fault:
            self._ctx.log.info("registrations are kept again: %s", self._file.path)
            self.fault = ""


def _write_rows(file: StateFile, batch: Sequence[Waiting]) -> None:
    """In a thread; a file that has vanished is written anew even if there are no rows."""
    if batch:
        file.write([row for one in batch for row in one.rows()])
    else:
        file.restore_vanished()


def restore(path: str, full: bool, registry: Registry, expiry: Expiry, now: float) -> StateFile:
    """Put the records of a file into a registry, in a thread; ValueError if a row is none."""
    file = StateFile(path, full)
    try:
        found = [_restored(*row) for row in file.read()]
    except ValueError as error:
        file.close()
        raise ValueError(f"{path}: {error}") from None
    # In the order of their topics each goes to the end of that, which is quicker than a place
    # in the middle.
    found.sort(key=lambda one: one.record.key)
    for one in found:
        registry.restore(one.kind, one.record, one.number)
        expiry.restored(one.address, one.kind, one.number, now)
    return file


class RestoredRecord(NamedTuple):
    """One row of the file."""

    kind: str
    number: int
    address: str
    record: TopicRecord


def _restored(kind: str, key: str, row: str | None) -> RestoredRecord:
    try:
        if kind not in KINDS or row is None:
            raise ValueError("no record of a registrar")
        address, _, body = row.rpartition(" ")
        record = record_of(parse(b64decode(body, validate=True)))
        return RestoredRecord(kind, int(key), address, record)
    except ValueError as error:
        raise ValueError(f"row {kind:.20} {key:.40}: {error}") from None
