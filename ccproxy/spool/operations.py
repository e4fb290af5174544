"""What an operator does with a spool: look into it, take copies, send again, throw away.

Each function is given a file that nothing else uses meanwhile: that of a folder no server has, or
in the thread of a spool that runs. This module must never change a file but by a whole transaction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from ccproxy.core.delivery.store import REPLAYED
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.rows import Damaged, Numbering, OfferedRun, SpoolRow
from ccproxy.spool.schema import FILE_NAME, SpoolCommit
from ccproxy.wire.zmtp.frames import boundaries, unpack

STEP_SIZE = 4 * 1024 * 1024
"""Bytes of rows that are looked at in one step."""
MOST_RUNS = 1000
"""Runs that one step of a list has."""


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """What a spool holds."""

    folder: str
    link: str
    """The id of the link, as hexadecimal digits."""
    waiting: int
    """Messages that wait."""
    bytes: int
    kept: int
    """Messages that are acknowledged and kept for a replay."""
    kept_bytes: int
    refused: int
    """Messages that the far side has refused, since the file was made."""
    first_run: int | None
    """The numbers of the first and the last run that are there; None: there are none."""
    last_run: int | None
    oldest: float | None
    """When the oldest message that waits was written, in seconds of the epoch of Unix."""
    origins: int
    """Links, with their epochs, that messages came from."""
    file_bytes: int
    damaged: tuple[str, ...]
    """Folders with files that were damaged and put aside."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run, as a list shows it."""

    run: int
    epoch: str
    first: int
    messages: int
    bytes: int
    time: float
    waits: bool


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs of a spool; none: there are no more."""

    items: tuple[RunLine, ...]


@dataclass(frozen=True, slots=True)
class SpoolChanged:
    """How many messages an operation has changed."""

    changed: int


def report(file: SpoolFile) -> SpoolReport:
    """What there is."""
    state, folder = file.state, file.path.parent
    first, last = file.ends()
    kept, kept_bytes = file.totals(0, state.released)
    log = file.log.stat().st_size if file.log.exists() else 0
    return SpoolReport(
        folder=str(folder), link=state.link.hex(), waiting=state.messages, bytes=state.size,
        kept=kept, kept_bytes=kept_bytes, refused=state.refused, first_run=first, last_run=last,
        oldest=file.first_time(), origins=len(file.origins()),
        file_bytes=file.path.stat().st_size + log,
        damaged=tuple(sorted(str(one) for one in folder.glob("damaged-*"))),
    )  # fmt: skip


def run_lines(file: SpoolFile, after: int) -> RunPage:
    """The next runs behind one."""
    return RunPage(
        tuple(
            RunLine(run, epoch.hex(), first, messages, size, when, run > file.state.released)
            for run, epoch, first, messages, size, when in file.lines(after, MOST_RUNS)
        )
    )


def copies(file: SpoolFile, after: int) -> list[tuple[SpoolRow | Damaged, bool]]:
    """The next rows behind one, and whether they wait."""
    return [(row, row.id > file.state.released) for row in file.read(after, STEP_SIZE)]


def messages_of(row: SpoolRow, waits: bool) -> Iterator[dict[str, Any]]:
    """Each message of a row, with its frames."""
    ends = [0, *boundaries(row.data)]
    for number, (start, end) in enumerate(pairwise(ends), row.first):
        yield {
            "run": row.id, "epoch": f"{row.epoch:016x}", "number": number, "time": row.time,
            "waits": waits, "frames": unpack(row.data[start:end]),
        }  # fmt: skip


def place(text: str, now: float) -> tuple[int, float]:
    """A run by its number, or a time: that of a clock on the wall, or `90 s`, `2 h` ago. One of the
    two is 0. ValueError for anything else."""
    if text.isdigit():
        return int(text), 0.0
    number, _, unit = text.strip().partition(" ")
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400}.get(unit.strip())
    if seconds is not None and number.replace(".", "", 1).isdigit():
        return 0, now - float(number) * seconds
    try:
        return 0, datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ValueError(
            f"found {text!r:.40}, expected the number of a run, a time such as "
            "2026-05-01T14:30, or how long ago, such as `2 h`"
        ) from None


def first_run(file: SpoolFile, where: tuple[int, float]) -> int:
    """The first run of a replay."""
    run, when = where
    return run or file.first_since(when, file.state.released)


@contextmanager
def at_rest(folder: Path) -> Iterator[SpoolFile]:
    """The file of a folder that no server has; OSError or ValueError if that is not possible."""
    if not (folder / FILE_NAME).exists():
        raise FileNotFoundError(f"{folder} has no {FILE_NAME}: it is not the folder of a spool")
    lock = FolderLock(folder)
    try:
        file = SpoolFile(folder, os.urandom(16))
        try:
            yield file
        finally:
            file.close()
    finally:
        lock.release()


def drop(file: SpoolFile, to: int) -> int:
    """Forget what waits up to a run; how many messages that were."""
    state = file.state
    to = min(to, state.last)
    if to <= state.released:
        return 0
    messages, size = file.totals(state.released, to)
    left = file.totals(to, state.last)[0]
    messages = min(messages, state.messages - left)
    now = replace(state, released=to, partial=0, messages=left, size=max(0, state.size - size))
    file.write(SpoolCommit(now, prune=to))
    return messages


def resend(file: SpoolFile) -> int:
    """Forget which server may have the unacknowledged messages, so that they are sent to any; how
    many messages wait."""
    if file.state.server:
        file.write(SpoolCommit(replace(file.state, server=b"")))
    return file.state.messages


def replay(file: SpoolFile, first: int) -> int:
    """Let acknowledged runs from one on wait again, behind everything else, as new messages."""
    numbering = Numbering(file.state.last + 1, int.from_bytes(os.urandom(8), "big"))
    replayed, after, last = 0, first - 1, file.state.released
    while rows := [row for row in file.read(after, STEP_SIZE) if row.id <= last]:
        after = rows[-1].id
        again = [
            OfferedRun(row.data, row.messages, origin=REPLAYED)
            for row in rows
            if isinstance(row, SpoolRow)
        ]
        made = list(numbering.rows(again, time.time()))
        replayed += _append(file, made)
    return replayed


def _append(file: SpoolFile, rows: Sequence[SpoolRow]) -> int:
    if not rows:
        return 0
    messages, size = sum(row.messages for row in rows), sum(row.size for row in rows)
    state = file.state
    now = replace(
        state, last=rows[-1].id, messages=state.messages + messages, size=state.size + size
    )
    file.write(SpoolCommit(now, rows))
    return messages
