"""The state file of a registrar, and the answers that wait for it.

All changes of a turn of the loop become one transaction in a thread; their answers leave when it
is done, while the next changes gather. If it fails, they are answered by an error, the changes stay
and are tried again, and nothing more is changed until that succeeds. This module must never write
on the loop.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ccproxy import Context

from ..state_file import StateFile, Text
from ..state_writer import RETRY_INTERVAL, StateWriter
from .actions import KINDS, Altered, Registry
from .expiry import Expiry
from .records import TopicRecord, parse, record_of

ANSWERS_AT_ONCE = 200
"""Answers that leave in one turn of the loop."""
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


class DurableRecords(StateWriter):
    """`commit` gathers; a task of its own does the rest."""

    def __init__(self, ctx: Context, file: StateFile, settle: Callable[[Altered], None]) -> None:
        """`settle` is called with each change that is in the file."""
        super().__init__(ctx, file)
        self._settle = settle
        self._gathered: list[Waiting] = []

    def commit(self, altered: Altered, address: str, done: Done | None) -> None:
        """Write a change that has been made."""
        self._gathered.append(Waiting(altered, address, done))
        self._begin()

    async def _write_all(self) -> None:
        # A fault without changes is that of a look, which is tried again as a write is.
        while (self._gathered or self.fault) and not self._ended:
            batch, self._gathered = self._gathered, []
            await self._write(batch)

    async def _write(self, batch: list[Waiting]) -> None:
        """Write until it succeeds; those that wait know after the first attempt."""
        while not self._ended:
            with self._attempt():
                await self._ctx.run_blocking(_write_rows, self._file, batch)
            if self.fault:
                batch += self._gathered
                self._gathered = []
                await self._tell(batch)
                await asyncio.sleep(RETRY_INTERVAL)
                continue
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

    def _say(self, fault: str) -> None:
        if fault:
            self._ctx.log.error("registrations cannot be kept: %s: %s", self._file.path, fault)
        else:
            self._ctx.log.info("registrations are kept again: %s", self._file.path)


def _write_rows(file: StateFile, batch: Sequence[Waiting]) -> None:
    """In a thread."""
    file.write([row for one in batch for row in one.rows()])


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
