"""Room that a spool sets aside on its disk, so that a disk it has filled can be emptied again.

SQLite needs room even to forget rows, and to copy its log into the file. So messages are written
only while the file `reserve` is there; on a full disk it is removed, and what was acknowledged is
forgotten in its place. It must never be made while less room is left than it gives.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

RESERVE_NAME = "reserve"
LOG_SIZE = 16 * 1024 * 1024
"""Bytes of the write-ahead log after which it is copied into the file, and begins again."""
DISK_PART = 16
"""On a small disk, the log has one part of so many of it."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_SUPPORT = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class NoRoom(OSError):
    """The disk is full, and nothing is left to be forgotten."""


def log_size(folder: Path) -> int:
    """Bytes of the log of a spool in this folder."""
    disk = os.statvfs(folder)
    return min(LOG_SIZE, disk.f_blocks * disk.f_frsize // DISK_PART)


class Reserve:
    """The file; `there` is False while the disk is too full for it.

    It is as large as a log that the last commit has made longer than it should be, so that this
    can be copied into the file, and what is forgotten then can be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESERVE_NAME
        log = log_size(folder)
        self.commit = log // 4
        """Bytes of messages after which a commit takes no more."""
        self.size = log + 2 * self.commit
        self.least = self.size + log
        """Bytes that have to be free before it is made."""
        self.there = False

    def least_for(self, size: int) -> int:
        """Bytes that have to be free, the reserve among them, before so many are written: a large
        message is longer than a commit should be, and is in the log and in the file for a time."""
        return self.least + max(0, 2 * size - (self.least - self.size))

    def suffices(self, size: int) -> bool:
        """True if so many bytes may be written now."""
        return self.there and (size <= self.commit or self.make(self.least_for(size)))

    def make(self, least: int = 0) -> bool:
        """Have it, if there is room for it; True if it is there, and `least` bytes with it."""
        disk = os.statvfs(self.path.parent)
        free = disk.f_bavail * disk.f_frsize
        if self.there:
            return free + self.size >= least
        found = self.path.stat().st_size if self.path.exists() else 0
        if free + found < least or (found < self.size and free < self.least):
            return False
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, max(1, self.size))
        except OSError as error:
            if error.errno in NO_ROOM:
                self.path.unlink()
                return False
            if error.errno not in NO_SUPPORT:
                raise
        finally:
            os.close(file)
        self.there = True
        return True

    def use(self) -> bool:
        """Give the room back to the disk; False if that was done before, or cannot be done."""
        if not self.there:
            return False
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # the disk has become read-only: it is not full
            return False
        self.there = False
        return True
