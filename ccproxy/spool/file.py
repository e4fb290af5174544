"""The file of a spool: an SQLite database with the rows, and one line of what is known of them.

    runs        the messages, by `id`; those up to `released` are kept for a replay only
    origins     the last number of each link and epoch that messages came from
    state       the one line: `State`

Every `write` is one transaction, and with `full` it is on the disk when it returns. A file may be
used by any thread, but by one at a time. This module must never decide what is dropped, and never
start a thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from ccproxy.spool.reserve import log_size
from ccproxy.spool.rows import Damaged, SpoolRow, epoch_bytes
from ccproxy.spool.schema import (
    COLUMNS,
    FILE_NAME,
    NEWER,
    PAGE_SIZE,
    STATE_COLUMNS,
    TABLES,
    VERSION,
    DamagedFile,
    SpoolCommit,
    State,
    checked,
    insert_state,
)

STEP_PAGES = 256
"""Free pages that one step of `shrink` gives back."""
STEP_RUNS = 64
"""Runs that are kept for a replay and that one step on a full disk forgets."""
FREE_PAGES = 512
"""Free pages that a file keeps for the rows to come."""
MOST_ROWS = 2048
"""Rows that are read at once: the loop takes them in one turn."""
CHECKED_SIZE = 64 * 1024 * 1024
"""Bytes up to which a file is read through when it is opened."""
MOST_ORIGINS = 4096
"""Epochs of links that are remembered; see `ccproxy.core.delivery.origins` for those that go."""
RANKED = (
    "(SELECT *, row_number() OVER (PARTITION BY link ORDER BY time DESC, last DESC) AS place "
    "FROM origins) ORDER BY place, time DESC"
)
"""Origins, those that are to be remembered first: the latest epoch of each link, then others."""


class SpoolFile:
    """sqlite3.Error or OSError if the file cannot be used."""

    def __init__(self, folder: Path, link: bytes, full: bool = True) -> None:
        """Open the file of a folder, or make it with this id of its link."""
        self.path = folder / FILE_NAME
        self.log = folder / f"{FILE_NAME}-wal"
        self.full = full
        """True: a transaction with messages waits for the disk."""
        self._synced = full
        self._log_size = log_size(folder)
        self._logged = 0
        """About the bytes in the log."""
        self._new_origins = MOST_ORIGINS
        had_log = self.log.exists()
        # Messages are for this user alone; SQLite gives the log the rights of the file.
        raw = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stat = os.fstat(raw)
        os.close(raw)
        self._db = connected(self.path)
        try:
            self._open(link)
        except BaseException:
            self._db.close()
            raise
        self.lost_log = not self.state.closed and not had_log
        """True if the log is missing that the file had when it was last used: what was in it is
        lost, and nobody can say how much that is."""
        self._sync_folder()

    def _open(self, link: bytes) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        [[version]] = db.execute("PRAGMA user_version")
        if not version:
            db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if self.full else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"PRAGMA journal_size_limit = {self._log_size}")
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("PRAGMA trusted_schema = OFF")
        if version == 1:
            db.execute("BEGIN IMMEDIATE")
            for table, column in NEWER:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        elif version not in (0, VERSION):
            raise ValueError(f"{self.path} has version {version} of its tables, expected {VERSION}")
        if not version:
            tables = "".join(TABLES.splitlines())
            db.execute("BEGIN IMMEDIATE")
            for table in tables.split(";")[:-1]:
                db.execute(table)
            insert_state(self._db, State(link, closed=1))
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        self.state = State(*db.execute(f"SELECT {STATE_COLUMNS} FROM state").fetchone())

    @property
    def removed(self) -> bool:
        """True if the file is not in its folder any more: SQLite goes on to write into it, and all
        of it is gone with the process."""
        try:
            return not os.path.samestat(self.path.stat(), self._stat)
        except FileNotFoundError:
            return True

    @property
    def log_removed(self) -> bool:
        """True if the log is not in the folder any more: what is written to it is gone with the
        process, unless it is copied into the file before."""
        return not self.log.exists()

    @property
    def device(self) -> int:
        """The number of the disk that it is on."""
        return self._stat.st_dev

    def check(self) -> None:
        """Raise DatabaseError if it is seen easily that the file is damaged."""
        try:
            self.checkpoint()
        except sqlite3.OperationalError as error:
            if may_be_full(error):
                return  # what is there can be sent without a checkpoint
            raise
        [[pages]] = self._db.execute("PRAGMA page_count")
        [[last]] = self._db.execute("SELECT max(id) FROM runs")
        size = self.path.stat().st_size
        if pages * PAGE_SIZE > size or (last or 0) > self.state.last:
            raise DamagedFile(f"{self.path} is not whole")
        if size <= CHECKED_SIZE:
            [found] = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise DamagedFile(f"{self.path}: {found}")

    def mark_open(self) -> None:
        """Note in the file itself that it has a log from now on."""
        if self.state.closed:
            self.write(SpoolCommit(self._with_closed(0)))
        self.checkpoint()

    def write(self, change: SpoolCommit) -> None:
        """All of it or nothing."""
        db = self._db
        self._sync(self.full and not change.safe_when_lost)
        db.execute("BEGIN IMMEDIATE")
        try:
            self._change(change)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self.state = change.state
        self._logged += sum(len(row.data) for row in change.rows) + 4 * PAGE_SIZE
        if self._logged > self._log_size:
            self.checkpoint()

    def _change(self, change: SpoolCommit) -> None:
        db = self._db
        if change.rows:
            db.executemany(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (row.id, epoch_bytes(row.epoch), row.first, row.messages, row.time, row.check,
                     row.data, row.replay)
                    for row in change.rows
                ],
            )  # fmt: skip
        else:
            # A commit with rows that failed may be in the file all the same.
            db.execute("DELETE FROM runs WHERE id > ?", (change.state.last,))
        if change.origins:
            self._note(change.origins, change.rows[-1].time if change.rows else 0.0)
        if change.prune:
            db.execute("DELETE FROM runs WHERE id <= ?", (change.prune,))
        if change.dropped:
            db.executemany("DELETE FROM runs WHERE id = ?", [(id,) for id in change.dropped])
        if change.state != self.state:
            insert_state(self._db, change.state)

    def _note(self, origins: dict[tuple[bytes, int], int], time: float) -> None:
        self._db.executemany(
            "INSERT INTO origins VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "last = max(last, excluded.last), time = excluded.time",
            [(link, epoch_bytes(epoch), last, time) for (link, epoch), last in origins.items()],
        )
        self._new_origins += len(origins)
        if self._new_origins > MOST_ORIGINS:
            self._new_origins = 0
            self._db.execute(
                "DELETE FROM origins WHERE (link, epoch) IN "
                f"(SELECT link, epoch FROM {RANKED} LIMIT -1 OFFSET {MOST_ORIGINS})"
            )

    def _sync(self, wanted: bool) -> None:
        """Whether the next transaction waits for the disk."""
        if wanted != self._synced:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._synced = wanted

    # Reading

    def origins(self) -> list[tuple[bytes, int, int]]:
        """Link, epoch and last number, those that were used last at the end."""
        found = self._db.execute(
            f"SELECT link, epoch, last FROM (SELECT * FROM {RANKED} LIMIT {MOST_ORIGINS}) "
            "ORDER BY time"
        )
        return [(link, int.from_bytes(epoch, "big"), last) for link, epoch, last in found]

    def rows(self, after: int = 0, to: int | None = None) -> Generator[SpoolRow | Damaged]:
        """The rows behind an id, in order."""
        last = self.state.last if to is None else to
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM runs WHERE id > ? AND id <= ? ORDER BY id",
            (after, last),
        )
        try:
            for line in found:
                yield checked(line)
        finally:
            found.close()

    def read(self, after: int, size: int) -> list[SpoolRow | Damaged]:
        """The rows behind an id, of about this size in bytes and at most `MOST_ROWS`; at least one
        if there is one."""
        found: list[SpoolRow | Damaged] = []
        with closing(self.rows(after)) as rows:
            for row in rows:
                found.append(row)
                size -= row.size
                if size <= 0 or len(found) >= MOST_ROWS:
                    break
        return found

    def ends(self) -> tuple[int | None, int | None]:
        """The ids of the first and the last row that are there."""
        [[first, last]] = self._db.execute("SELECT min(id), max(id) FROM runs")
        return first, last

    def totals(self, after: int, to: int) -> tuple[int, int]:
        """The messages and the bytes of the rows between two ids, the second one included."""
        [[messages, size]] = self._db.execute(
            "SELECT sum(messages), sum(length(data)) FROM runs WHERE id > ? AND id <= ?",
            (after, to),
        )
        return messages or 0, size or 0

    def lines(self, after: int, most: int) -> list[tuple[int, bytes, int, int, int, float]]:
        """Id, epoch, first number, messages, bytes and time of the rows behind an id."""
        return self._db.execute(
            "SELECT id, epoch, first, messages, length(data), time FROM runs WHERE id > ? "
            "ORDER BY id LIMIT ?",
            (after, most),
        ).fetchall()

    def size_to(self, id: int) -> int:
        """The bytes of the rows up to an id."""
        return self.totals(0, id)[1]

    def first_since(self, time: float, to: int) -> int:
        """The id of the first row that was written at this time or later, `to` + 1 if all of those
        up to this id are older."""
        found = self._db.execute(
            "SELECT id FROM runs WHERE id <= ? AND time >= ? ORDER BY id LIMIT 1", (to, time)
        ).fetchone()
        return found[0] if found else to + 1

    def behind_size(self, size: int, to: int) -> int:
        """The id of the oldest row that is left when rows of this size are forgotten."""
        found = self._db.execute(
            "SELECT id, length(data) FROM runs WHERE id <= ? ORDER BY id", (to,)
        )
        with closing(found):
            for id, length in found:
                if size <= 0:
                    return int(id)
                size -= length
        return to + 1

    def first_time(self) -> float | None:
        """When the oldest row that waits was written."""
        found = self._db.execute(
            "SELECT time FROM runs WHERE id > ? ORDER BY id LIMIT 1", (self.state.released,)
        ).fetchone()
        return found[0] if found else None

    # Keeping the file small

    def checkpoint(self) -> None:
        """Copy the log into the file; the next transaction begins a new one."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._logged = 0

    def shrink(self, keep: int = FREE_PAGES) -> bool:
        """Give back some free pages; False if there are not more of them than are to be kept."""
        [[free]] = self._db.execute("PRAGMA freelist_count")
        if free <= keep:
            return False
        step = min(free, STEP_PAGES, self._log_size // PAGE_SIZE // 4)
        # As a script, because `execute` makes one step of this pragma, which gives back one page.
        self._db.executescript(f"PRAGMA incremental_vacuum({step})")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._logged = 0
        return True

    def give_back(self, enough: Callable[[], bool]) -> bool:
        """Make the file smaller until there is enough room on the disk; what is kept for a replay
        is forgotten for that. False if nothing is left to be given back."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._logged = 0
        while not enough():
            if self.shrink(0):
                continue
            kept = [line[0] for line in self.lines(0, STEP_RUNS) if line[0] <= self.state.released]
            if not kept:
                return False
            self.write(SpoolCommit(self.state, prune=kept[-1]))
        return True

    def close(self) -> None:
        """Close the file in order; the log goes with it."""
        try:
            self._sync(self.full)
            self.write(SpoolCommit(self._with_closed(1)))
            self.checkpoint()
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Close a file that cannot be written. Its log stays: without one, the next opening would
        say that it was removed."""
        self._db.close()
        with suppress(OSError):
            self.log.touch(0o600)

    def forsake(self) -> None:
        """Close a file that was removed, or whose log was; others may have their places."""
        self._db.close()

    def _with_closed(self, closed: int) -> State:
        return replace(self.state, closed=closed)

    def _sync_folder(self) -> None:
        """A file that is new must be found after a power cut."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def connected(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time, and without transactions of its own."""
    return sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)


def is_full(error: BaseException) -> bool:
    """True if there is no room on the disk; what was synced before is not in doubt then."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def may_be_full(error: BaseException) -> bool:
    """True also if SQLite says no more than that a write failed, as it does for a quota."""
    code = getattr(error, "sqlite_errorcode", None)
    return is_full(error) or code == sqlite3.SQLITE_IOERR_WRITE
