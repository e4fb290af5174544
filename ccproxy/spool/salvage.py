"""A damaged file is put aside, and what can be read of it goes into a new one.

    damaged-1/   the file and its log, as they were found

A kill at any moment of it loses nothing: while the new file is not in its place, the next opening
begins again with the file that was put aside. This module must never remove a damaged file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ccproxy.spool.file import SpoolFile, connected
from ccproxy.spool.rows import Damaged, SpoolRow
from ccproxy.spool.schema import (
    COLUMNS,
    FILE_NAME,
    NEWER,
    PAGE_SIZE,
    STATE_COLUMNS,
    DamagedFile,
    SpoolCommit,
    State,
    checked,
)

LOG_LOST = "the log of the file was removed: messages of its last commits are lost"
BATCH_SIZE = 4 * 1024 * 1024
"""Bytes of rows that are written in one transaction."""
STEPS = ((1000, 1), (2000, 16), (3000, 256), (4000, 4096))
"""How far the search for readable rows goes on behind one that is not: up to so many attempts in
steps of so many ids."""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOG_NAME = f"{FILE_NAME}-wal"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a damaged file."""

    aside: Path
    """The folder that it is in now."""
    messages: int
    """Messages that wait and could be read."""
    lost: int | None
    """Messages that waited and could not; None if not even their number could be read."""

    def __str__(self) -> str:
        lost = "an unknown number" if self.lost is None else str(self.lost)
        return f"damaged: {self.messages} messages were read, {lost} lost; see {self.aside}"


def whole_file(folder: Path, link: bytes, full: bool) -> SpoolFile:
    """The file of a folder, open; an error for which `is_damage` is true if it is not whole."""
    file = SpoolFile(folder, link, full)
    try:
        file.check()
    except BaseException:
        file.abandon()
        raise
    return file


def is_damage(error: BaseException) -> bool:
    """True if SQLite says that what is in a file makes no sense."""
    if isinstance(error, DamagedFile):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGE


def unfinished(folder: Path) -> Path | None:
    """The folder of a damaged file whose rows are not yet in a new one."""
    if (folder / FILE_NAME).exists():
        return None
    found = [one for one in folder.glob("damaged-*") if (one / FILE_NAME).exists()]
    return max(found, key=_number, default=None)


def set_aside(folder: Path) -> Path:
    """Move a damaged file away, where nothing else is; which folder that is."""
    number = max((_number(one) for one in folder.glob("damaged-*")), default=0) + 1
    aside = folder / f"damaged-{number}"
    aside.mkdir(mode=0o700)
    # The file goes first: a log without its file is found again, a file without its log is not.
    (folder / FILE_NAME).rename(aside / FILE_NAME)
    return aside


def salvage(folder: Path, aside: Path, link: bytes, full: bool) -> Salvaged:
    """Write what can be read of a file that was put aside into a new file in its place; `link` is
    its id if that cannot be read."""
    log = folder / _LOG_NAME
    if log.exists() and not (aside / _LOG_NAME).exists():
        log.rename(aside / _LOG_NAME)
    new = aside / "new"
    new.mkdir(mode=0o700, exist_ok=True)
    for left in new.iterdir():
        left.unlink()
    _fill_up(aside / FILE_NAME)
    file = SpoolFile(new, link, full)
    try:
        with closing(connected(aside / FILE_NAME)) as db:
            db.text_factory = bytes
            result = _copy(db, file, aside)
    finally:
        file.close()
    (new / FILE_NAME).rename(folder / FILE_NAME)
    new.rmdir()
    return result


def _fill_up(path: Path) -> None:
    """Make a file that was cut as long as its header says: SQLite reads nothing of a shorter one.
    What is added takes no room on the disk."""
    with path.open("rb") as file:
        header = file.read(32)
    size = int.from_bytes(header[28:32], "big") * PAGE_SIZE
    if header.startswith(b"SQLite format 3\0") and size > path.stat().st_size:
        os.truncate(path, size)


def _copy(db: sqlite3.Connection, file: SpoolFile, aside: Path) -> Salvaged:
    state = _state(db)
    counted = state is not None
    base = state or State(file.state.link)
    file.write(SpoolCommit(file.state, origins=dict(_origins(db))))
    rows: list[SpoolRow] = []
    last = released = messages = size = pending = 0
    first = True
    for row in _readable(db, base.last):
        if first:
            first, released = False, base.released if counted else row.id - 1
        last = row.id
        rows.append(row)
        pending += row.size
        if row.id > released:
            acknowledged = max(0, base.partial - row.first + 1) if not messages else 0
            messages += row.messages - acknowledged
            size += row.size
        if pending >= BATCH_SIZE:
            file.write(SpoolCommit(file.state, rows))
            rows, pending = [], 0
    last = max(last, base.last)
    written = base.written if counted else last
    found = State(base.link, base.server, last, max(released, base.released), base.partial,
                  written, messages, size, 1, base.refused)  # fmt: skip
    file.write(SpoolCommit(found, rows))
    return Salvaged(aside, messages, max(0, base.messages - messages) if counted else None)


def _readable(db: sqlite3.Connection, last: int) -> Iterator[SpoolRow]:
    """The rows whose check sums are right, wherever the file can be read."""
    at = failures = 0
    columns = _columns(db, COLUMNS)
    while True:
        try:
            found = db.execute(f"SELECT {columns} FROM runs WHERE id > ? ORDER BY id", (at,))
            for line in found:
                if not isinstance(line[0], int) or line[0] <= at:
                    break
                at, failures = line[0], 0
                row = checked(line)
                if not isinstance(row, Damaged):
                    yield row
            else:
                return
        except sqlite3.DatabaseError:
            pass
        failures += 1
        step = next((step for most, step in STEPS if failures <= most), 0)
        if not step or (last and at >= last):
            return
        at += step


def _columns(db: sqlite3.Connection, columns: str) -> str:
    """Those that there are in the tables of this version."""
    try:
        [[version]] = db.execute("PRAGMA user_version")
    except sqlite3.DatabaseError:
        return columns
    for _, name in NEWER if version == 1 else ():
        columns = columns.replace(name, "0")
    return columns


def _state(db: sqlite3.Connection) -> State | None:
    try:
        found: Sequence[object] | None = db.execute(
            f"SELECT {_columns(db, STATE_COLUMNS)} FROM state"
        ).fetchone()
    except sqlite3.DatabaseError:
        return None
    if found is None or not isinstance(found[0], bytes) or not isinstance(found[1], bytes):
        return None
    if len(found[0]) != 16 or not all(isinstance(one, int) and one >= 0 for one in found[2:]):
        return None
    return State(*found)  # type: ignore[arg-type]


def _origins(db: sqlite3.Connection) -> Iterator[tuple[tuple[bytes, int], int]]:
    """What can be read of the origins."""
    try:
        for link, epoch, last in db.execute("SELECT link, epoch, last FROM origins"):
            if isinstance(link, bytes) and isinstance(epoch, bytes) and isinstance(last, int):
                yield (link, int.from_bytes(epoch[:8], "big")), last
    except sqlite3.DatabaseError:
        return


def _number(folder: Path) -> int:
    text = folder.name.partition("-")[2]
    return int(text) if text.isdigit() else 0
