"""A disk for tests, between SQLite and the file system: it fails, and it loses what was not synced.

It is a VFS of `apsw`, which has an SQLite of its own; `Disk.connected` stands for the function of
the same name in `ccproxy.spool.file`.
"""

import random
import sqlite3
import threading
from pathlib import Path

import apsw

SECTOR = 512


class Disk(apsw.VFS):
    """Files as they are on the disk, and what was written to each of them since it was synced."""

    made = 0

    def __init__(self):
        Disk.made += 1
        self.name = f"disk-{Disk.made}"
        super().__init__(self.name, "")
        self.lock = threading.Lock()
        self.synced = {}
        self.pending = {}
        self.failing = {}
        """Method of a file -> extended result code that it fails with."""

    def xOpen(self, name, flags):  # noqa: N802
        path = name if isinstance(name, str) else name.filename()
        with self.lock:
            if path not in self.synced:
                there = Path(path)
                self.synced[path] = there.read_bytes() if there.exists() else b""
                self.pending[path] = []
        return File(self, name, path, flags)

    def xDelete(self, path, sync_folder):  # noqa: N802
        super().xDelete(path, sync_folder)
        with self.lock:
            self.synced.pop(path, None)
            self.pending.pop(path, None)

    def connected(self, path):
        return Connection(str(path), self.name)

    def cut(self, folder, kept=0.5, seed=0):
        """What a power cut leaves, as files of another folder: all that was synced, and of the
        sectors that were written since, each with this probability."""
        chance = random.Random(seed)
        folder.mkdir()
        with self.lock:
            for path, content in self.synced.items():
                left = bytearray(content)
                for at, data in self.pending[path]:
                    _apply(left, at, data, kept, chance)
                (folder / Path(path).name).write_bytes(left)


def _apply(left, at, data, kept, chance):
    if data is None:
        if chance.random() < kept:
            del left[at:]
        return
    for start in range(0, len(data), SECTOR):
        if chance.random() >= kept:
            continue
        piece = data[start : start + SECTOR]
        left.extend(bytes(max(0, at + start + len(piece) - len(left))))
        left[at + start : at + start + len(piece)] = piece


class File(apsw.VFSFile):
    def __init__(self, disk, name, path, flags):
        super().__init__("", name, flags)
        self.disk, self.path = disk, path

    def fail(self, method):
        code = self.disk.failing.get(method)
        if code is not None:
            error = apsw.exception_for(code)
            error.extendedresult = code
            raise error

    def xWrite(self, data, at):  # noqa: N802
        self.fail("write")
        super().xWrite(data, at)
        with self.disk.lock:
            self.disk.pending[self.path].append((at, bytes(data)))

    def xTruncate(self, size):  # noqa: N802
        super().xTruncate(size)
        with self.disk.lock:
            self.disk.pending[self.path].append((size, None))

    def xSync(self, flags):  # noqa: N802
        self.fail("sync")
        super().xSync(flags)
        with self.disk.lock:
            left = bytearray(self.disk.synced[self.path])
            for at, data in self.disk.pending[self.path]:
                if data is None:
                    del left[at:]
                    continue
                left.extend(bytes(max(0, at + len(data) - len(left))))
                left[at : at + len(data)] = data
            self.disk.synced[self.path] = bytes(left)
            self.disk.pending[self.path] = []


class Rows(list):
    """All rows of a statement, with the methods of a cursor."""

    def fetchall(self):
        return self

    def fetchone(self):
        return self[0] if self else None

    def close(self):
        """Nothing is open any more."""


class Connection:
    """A connection of apsw that looks as one of `sqlite3`."""

    def __init__(self, path, vfs):
        self.db = _named(apsw.Connection, path, vfs=vfs)

    @property
    def in_transaction(self):
        return self.db.in_transaction

    def execute(self, sql, values=()):
        return _named(lambda: Rows(self.db.execute(sql, tuple(values))))

    def executemany(self, sql, values):
        return _named(lambda: Rows(self.db.executemany(sql, values)))

    def executescript(self, sql):
        return self.execute(sql)

    def close(self):
        try:
            _named(self.db.close)
        except sqlite3.Error:
            _named(self.db.close, True)


def _named(call, *values, **options):
    try:
        return call(*values, **options)
    except apsw.Error as error:
        code = getattr(error, "extendedresult", 0) or getattr(error, "result", 1)
        kind = sqlite3.DatabaseError if code & 0xFF in (11, 26) else sqlite3.OperationalError
        raised = kind(str(error) or type(error).__name__)
        raised.sqlite_errorcode = code
        raise raised from error
