"""The state file: the last row of each key in an SQLite database, by (table, key).

Every `write` is one transaction: after a `kill -9` it is there as a whole or not at all. With
`full` that holds for a power cut too, at the price of a sync for each write; without it a power cut
may lose the latest transactions, but never the file. One process has the file at a time. A
StateFile may be used by any thread, but by one at a time. This module must never know what a row
means.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

Text = tuple[str, str, str | None]
"""Table, key and row as texts; the row is None if it is forgotten."""

VERSION = 1
"""The version of the tables in the file; SQLite keeps it in the header of the file."""

_CHUNKS = (64, 16, 4, 1)
"""How many rows one statement may have. Each statement releases the interpreter lock once and may
have to wait for it as long as the loop computes, so a few long statements are faster."""

_WAL_PAGES = 1000
"""Pages in the write-ahead log after which they are copied into the file."""
_WAL_BYTES = 16 * 1024 * 1024
"""The size to which a write-ahead log is cut that a large transaction has made longer."""


class StateFile:
    """ValueError if the file is not a state file, sqlite3.Error or OSError if it cannot be used;
    both name the file and the reason. `restored` counts how often the file had vanished and was
    written anew."""

    def __init__(self, path: str, full: bool = True, whole: bool = True) -> None:
        """`whole`: a file that is new appears in its place with its tables."""
        self.path = path
        self._whole = whole
        self.restored = 0
        self._full = full
        self._connect()

    def _connect(self) -> None:
        _refuse_emptied(Path(self.path))
        if self._whole and not Path(self.path).exists():
            self._create()
        try:
            self._db = sqlite3.connect(
                self.path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _named(error, self.path) from error
        try:
            self._open()
            self._file = _identity(Path(self.path))
        except sqlite3.Error as error:
            self._db.close()
            raise _named(error, self.path) from error
        except BaseException:
            self._db.close()
            raise

    def _create(self) -> None:
        """Make the file beside its place and put it there whole: so no start ever leaves an empty
        one behind, and an empty one that is found has lost what it held."""
        copy = Path(f"{self.path}.new")
        copy.unlink(missing_ok=True)
        try:
            StateFile(str(copy), self._full, whole=False).close()
        except sqlite3.Error as error:
            raise _named(error, self.path) from error
        with suppress(FileExistsError):  # another process was quicker: who has it is decided next
            os.link(copy, self.path)
        copy.unlink()

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if self._full else 'NORMAL'}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        self._db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        [[version]] = self._db.execute("PRAGMA user_version")
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != VERSION and (version or tables):
            raise ValueError(f"{self.path} has version {version} of its tables, expected {VERSION}")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS rows (kind TEXT, key TEXT, row TEXT NOT NULL, "
            "PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")

    def read(self) -> list[Text]:
        """All rows."""
        return self._db.execute("SELECT kind, key, row FROM rows").fetchall()

    def write(self, texts: Iterable[Text]) -> None:
        """All of these or none; the last one of a key wins."""
        self.restore_vanished()
        self._write(texts)

    def restore_vanished(self) -> None:
        """Write the file anew if it was removed: its rows can still be read as long as it is open.
        OSError if there is another file in its place, which may be that of somebody else."""
        found = _identity(Path(self.path))
        if found == self._file:
            return
        if found is not None:
            raise OSError(f"{self.path} was replaced by another file while it was in use")
        copy = Path(f"{self.path}.new")
        copy.unlink(missing_ok=True)
        fresh = StateFile(str(copy), self._full, whole=False)
        fresh.write(self.read())
        fresh.close()
        self._db.close()
        # The log belongs to the file that is gone. Without it the copy is the state, with it SQLite
        # would apply its changes to the copy.
        Path(f"{self.path}-wal").unlink(missing_ok=True)
        copy.rename(self.path)
        self._connect()
        self.restored += 1

    def _write(self, texts: Iterable[Text]) -> None:
        latest = {(kind, key): row for kind, key, row in texts}
        kept = [(*name, row) for name, row in latest.items() if row is not None]
        gone = [name for name, row in latest.items() if row is None]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for part in _chunks(kept):
                self._db.execute(_UPSERT[len(part)], list(chain.from_iterable(part)))
            for names in _chunks(gone):
                self._db.execute(_DELETE[len(names)], list(chain.from_iterable(names)))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file, which is there again if it had vanished; the write-ahead log is
        copied into it."""
        try:
            if _identity(Path(self.path)) is None:
                self.restore_vanished()
        finally:
            self._db.close()

    def sizes(self) -> tuple[int, int]:
        """Bytes of the file and of its write-ahead log."""
        paths = (Path(self.path), Path(f"{self.path}-wal"))
        found = [one.stat().st_size if one.exists() else 0 for one in paths]
        return found[0], found[1]


def _refuse_emptied(path: Path) -> None:
    """ValueError for a file that has lost what it held: it is empty, or missing beside its log.

    SQLite would begin with an empty file, and numbers would be used again.
    """
    log = Path(f"{path}-wal")
    if path.is_file() and not path.stat().st_size and not log.exists():
        raise ValueError(
            f"{path} is empty, which a state file never is: put the file back; to begin with "
            "nothing and use numbers again, remove it"
        )
    if log.is_file() and log.stat().st_size and not (path.is_file() and path.stat().st_size):
        what = "is empty" if path.is_file() else "is missing"
        raise ValueError(
            f"{path} {what}, but its log {log} holds {log.stat().st_size} bytes: put the file "
            "back; to begin with nothing and use numbers again, remove the log too"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name, None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _named(error: sqlite3.Error, path: str) -> sqlite3.Error:
    """An error of SQLite, which names neither file nor reason, with both."""
    return type(error)(f"{path} cannot be opened: {_reason(Path(path)) or error}")


def _reason(path: Path) -> str:
    """Why a file cannot be opened as a state file, as far as the system says it; else empty."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.is_dir():
        return "it is a folder"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "no right to read and write it"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"no right to make files in {path.parent}"
    return ""


def _chunks(items: Sequence[tuple[str, ...]]) -> Iterator[Sequence[tuple[str, ...]]]:
    start = 0
    for size in _CHUNKS:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size


def _rows(count: int, width: int) -> str:
    return ", ".join(["(" + ", ".join("?" * width) + ")"] * count)


_UPSERT = {
    size: f"INSERT INTO rows VALUES {_rows(size, 3)} "
    "ON CONFLICT (kind, key) DO UPDATE SET row = excluded.row"
    for size in _CHUNKS
}
_DELETE = {
    size: f"DELETE FROM rows WHERE (kind, key) IN (VALUES {_rows(size, 2)})" for size in _CHUNKS
}
