"""Where log lines go: stderr, and a file that is rotated by size.

They write to descriptors and have no locks: a thread that is stuck in a write must not keep the
process from ending, as it would with the buffered streams of Python, which the interpreter locks
and flushes at its end. Nothing here may be called on the loop, except to open a file.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path

from ccproxy.process.files import opened

STDERR = 2


class Stderr:
    """Standard error, or the stream that stands in for it."""

    name = "stderr"

    def __init__(self) -> None:
        real = sys.stderr is sys.__stderr__
        self._stream = None if real else sys.stderr
        self._encoding = getattr(sys.stderr, "encoding", None) or "utf-8"

    @property
    def descriptor(self) -> int | None:
        """The descriptor that is written to; None for a stream of Python."""
        return STDERR if self._stream is None else None

    def write(self, lines: list[str]) -> None:
        """Write all lines at once."""
        text = "".join(lines)
        if self._stream is None:
            write_all(STDERR, text.encode(self._encoding, "backslashreplace"))
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except ValueError as error:  # it has been closed
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Standard error stays open."""


class LogFile:
    """A file that is rotated: PATH, PATH.1 and so on up to PATH.count.

    A FIFO is opened when the first line is written, because to open it waits for its reader.
    """

    def __init__(self, path: Path, size: int, count: int) -> None:
        """OSError if it cannot be opened."""
        self._path = path.absolute()
        self.name = str(self._path)
        self._limit = size if count > 0 else 0
        self._count = count
        self._size = 0
        self._torn = False
        """True if the file may end in the middle of a line."""
        self._descriptor = None if self._path.is_fifo() else self._open()

    def write(self, lines: list[str]) -> None:
        """Write lines, and rotate before the file would become larger than its limit."""
        pending: list[bytes] = []
        for line in lines:
            data = line.encode("utf-8", "backslashreplace")
            if self._limit and self._size + len(data) > self._limit:
                self._flush(pending)
                pending = []
                self._rotate()
            self._size += len(data)
            pending.append(data)
        self._flush(pending)

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _flush(self, pending: list[bytes]) -> None:
        if not pending:
            return
        if self._descriptor is None:
            self._descriptor = self._open()
        before = b"\n" if self._torn else b""
        self._torn = True
        try:
            write_all(self._descriptor, before + b"".join(pending))
        except BrokenPipeError:
            self.close()  # the next reader of a FIFO needs an open of its own
            self._torn = False
            raise
        self._torn = False

    def _open(self) -> int:
        descriptor = opened(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            self._limit = 0  # only regular files are rotated
        self._size = found.st_size
        return descriptor

    def _rotate(self) -> None:
        if self._size == 0:
            return
        for number in range(self._count - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self.close()
        self._descriptor = self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all data, however long it takes; a descriptor that does not block is waited for."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLOUT)
            waiting.poll()
