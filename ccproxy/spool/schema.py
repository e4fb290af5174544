"""The tables of a spool, and the values that stand in them.

This module must never open a file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from ccproxy.spool.rows import Damaged, SpoolRow

FILE_NAME = "spool.sqlite3"
VERSION = 2
"""The version of the tables; SQLite keeps it in the header of the file."""
PAGE_SIZE = 16 * 1024
"""Bytes of a page. With 4 KiB, rows cost nearly twice the processor time."""
COLUMNS = "id, epoch, first, messages, time, checksum, data, replay"
"""Those of a row, in the order that `checked` expects."""

TABLES = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, epoch BLOB NOT NULL, first INTEGER NOT NULL,
    messages INTEGER NOT NULL, time REAL NOT NULL, checksum INTEGER NOT NULL, data BLOB NOT NULL,
    replay INTEGER NOT NULL DEFAULT 0);
CREATE TABLE origins (link BLOB NOT NULL, epoch BLOB NOT NULL, last INTEGER NOT NULL,
    time REAL NOT NULL, PRIMARY KEY (link, epoch)) WITHOUT ROWID;
CREATE TABLE state (link BLOB NOT NULL, server BLOB NOT NULL, last INTEGER NOT NULL,
    released INTEGER NOT NULL, partial INTEGER NOT NULL, written INTEGER NOT NULL,
    messages INTEGER NOT NULL, size INTEGER NOT NULL, closed INTEGER NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0);
"""
NEWER = (("runs", "replay"), ("state", "refused"))
"""Tables and columns that tables of the version 1 do not have; they are 0 there."""


@dataclass(frozen=True, slots=True)
class State:
    """What a spool knows of itself, as of its last commit."""

    link: bytes
    """The id of the link."""
    server: bytes = b""
    """The id of the far side that the messages without acknowledgement were sent to."""
    last: int = 0
    """The id of the last row."""
    released: int = 0
    """The id of the last row that is acknowledged as a whole."""
    partial: int = 0
    """The number of the last message of the next row that is acknowledged as well; 0: none is."""
    written: int = 0
    """The id of the last row that was written to a line; a kill may lose the latest change."""
    messages: int = 0
    """Messages that wait."""
    size: int = 0
    """Bytes of the rows that wait."""
    closed: int = 0
    """1 if the file was closed in order: then it needs no log."""
    refused: int = 0
    """Messages that the far side has refused, since the file was made."""


@dataclass(slots=True)
class SpoolCommit:
    """One transaction."""

    state: State
    rows: Sequence[SpoolRow] = ()
    origins: dict[tuple[bytes, int], int] = field(default_factory=dict)
    dropped: Sequence[int] = ()
    """Ids of rows to forget."""
    prune: int = 0
    """The rows up to this id are forgotten."""

    @property
    def safe_when_lost(self) -> bool:
        """True if nothing is lost with it: what was acknowledged would be sent again."""
        return not self.rows and not self.origins


class DamagedFile(sqlite3.DatabaseError):
    """What is in a file makes no sense, although SQLite can read it."""


def checked(line: Sequence[object]) -> SpoolRow | Damaged:
    """A row as it was written; what can be said of it if its check sum is wrong."""
    id, epoch, first, count, time, check, data, replay = line
    assert isinstance(id, int)
    if (
        isinstance(epoch, bytes) and isinstance(first, int) and isinstance(count, int)
        and isinstance(time, float) and isinstance(data, bytes)
    ):  # fmt: skip
        row = SpoolRow(id, int.from_bytes(epoch[:8], "big"), first, count, time, data, bool(replay))
        if first > 0 and count > 0 and row.check == check:
            return row
    size = len(data) if isinstance(data, bytes) else 0
    return Damaged(id, count if isinstance(count, int) and 0 < count <= max(size, 1) else 1, size)


def insert_state(db: sqlite3.Connection, state: State) -> None:
    """Replace the one line of the table."""
    values = [getattr(state, one.name) for one in fields(State)]
    marks = ", ".join("?" * len(values))
    db.execute(f"INSERT OR REPLACE INTO state (rowid, {STATE_COLUMNS}) VALUES (1, {marks})", values)


STATE_COLUMNS = ", ".join(one.name for one in fields(State))
