"""The pid file of a running server: taken, looked at, given up, and signals sent by it.

It may wait for a moment and therefore must never be used once the event loop runs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

from ccproxy.process.files import opened

TOUCH = 0.2
"""Seconds in which a lock may be another program's short look at the file, not a running server."""
LONGEST_TEXT = 100
"""Characters of a pid file that are looked at."""


class PidFileError(Exception):
    """The pid file cannot be taken or read; the text says why and what to do."""


class PidFile:
    """A file that holds the number of the running process: digits, nothing else.

    The process has it locked (flock) as long as it lives. A number that was left behind may be
    another program's by now; without a lock it is never mistaken for a running server.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lent = False
        """True while another process has the file open and locked as well: it stays."""
        self._file: BinaryIO | None = None

    @property
    def descriptor(self) -> int | None:
        """The open file, whose lock another process has too if it is given this."""
        return None if self._file is None else self._file.fileno()

    def adopt(self, descriptor: int) -> bool:
        """Use the open and locked file of another process; False, and it is closed, if that is not
        the one of our path. The number in it stays until `write`."""
        file = os.fdopen(descriptor, "r+b", buffering=0)
        if not self._is(file):
            file.close()
            return False
        self._file, self.lent = file, True
        return True

    def write(self) -> None:
        """Write our own number, if we have the file; OSError if that fails.

        Whoever reads the file meanwhile finds one number or the other in its first line.
        """
        if self._file is not None:
            number = str(os.getpid()).encode()
            os.pwrite(self._file.fileno(), number + b"\n", 0)
            os.ftruncate(self._file.fileno(), len(number))

    def read(self) -> int:
        """The number in the file, 0 if there is none; PidFileError if the file is corrupt."""
        try:
            with os.fdopen(
                _open(self.path, os.O_RDONLY), encoding="ascii", errors="replace"
            ) as file:
                lines = file.read(LONGEST_TEXT).splitlines()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise PidFileError(f"cannot read pid file {self.path}: {error.strerror}") from error
        text = lines[0].strip() if lines else ""
        if text and not (text.isascii() and text.isdigit()):
            raise PidFileError(
                f"corrupt pid file {self.path}: expected digits, found {text[:20]!r}"
            )
        return int(text or "0")

    def held(self) -> bool:
        """True if a running process has the file locked."""
        try:
            with os.fdopen(_open(self.path, os.O_RDONLY), "rb") as file:
                return not _lock(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise PidFileError(f"cannot read pid file {self.path}: {error.strerror}") from error

    def take(self) -> bool:
        """Write our own number; True if a stale file was in the way, PidFileError if a live one."""
        stale = self.path.exists()
        pid = self.read()
        try:
            file = self._locked()
            if file is None:
                raise PidFileError(
                    f"pid file {self.path} exists and process {pid} is alive; "
                    "another server running?"
                )
            self._file = file
            self.write()
        except OSError as error:
            self.drop()
            raise PidFileError(f"cannot write pid file {self.path}: {error.strerror}") from error
        return stale

    def drop(self) -> None:
        """Remove the file if it is still ours; harmless when it was never taken."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError), file:
            if not self.lent and self._is(file):
                self.path.unlink()

    def _locked(self) -> BinaryIO | None:
        """The file, opened and locked; None if a running process has it."""
        end = time.monotonic() + TOUCH
        while True:
            file = os.fdopen(_open(self.path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)
            try:
                mine = _lock(file, fcntl.LOCK_EX)
                # The process that held it may have removed it since we opened it.
                if mine and self._is(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()
            if not mine and time.monotonic() > end:
                return None
            time.sleep(0.01)

    def _is(self, file: BinaryIO) -> bool:
        """True if this open file is the one that has our path."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file.fileno()), self.path.lstat())
        return False


def _open(path: Path, flags: int) -> int:
    """Open a regular file and nothing else: a symbolic link under this name would let another user
    of the folder choose which file a server truncates. OSError if it is anything else."""
    safe = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = opened(path, flags | safe, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link; remove it") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def _lock(file: BinaryIO, how: int) -> bool:
    """Lock a file until it is closed; False if another process has it locked."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def send_signal(file: PidFile, number: int) -> str:
    """Send a signal to the process of a pid file; a warning is returned when there is none.

    PidFileError if the file is corrupt or the process is not ours to signal.
    """
    pid = file.read()
    if not pid and not file.path.exists():
        return f"no pid file {file.path}, the server is not running"
    if not pid or not file.held():
        return f"pid file {file.path} exists, but the server is not running"
    try:
        os.kill(pid, number)
    except OSError as error:
        raise PidFileError(f"cannot signal process {pid}: {error.strerror}") from error
    return ""


def wait_for_end(file: PidFile, seconds: float) -> bool:
    """Wait until the process of a pid file has ended; False if it takes longer."""
    pid = file.read()
    end = time.monotonic() + seconds
    while file.held() and file.read() == pid:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
