"""The lock of a spool: one process has its folder at a time, and others learn which one.

It must never wait for the lock.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_NAME = "spool.lock"


class SpoolInUse(OSError):
    """Another process, or another section of this one, has the folder."""

    def __init__(self, folder: Path, holder: int) -> None:
        ours = holder == os.getpid()
        who = "another section of this server" if ours else f"process {holder}"
        super().__init__(f"{folder} is in use by {who}")
        self.holder = holder


class FolderLock:
    """Held from its making to `release`, or to the end of the process, however that comes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._file)
            os.close(self._file)
            raise SpoolInUse(folder, holder) from None
        # As long as every pid: on a full disk a file that is there can be written, not made longer.
        os.pwrite(self._file, f"{os.getpid():<20}\n".encode(), 0)

    @property
    def removed(self) -> bool:
        """True if others cannot see it any more."""
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return True

    def release(self) -> None:
        """Let others have the folder."""
        os.close(self._file)


def _holder(file: int) -> int:
    text = os.pread(file, 32, 0).strip()
    return int(text) if text.isdigit() else 0
