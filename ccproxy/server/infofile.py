"""The infofile on its way to the disk, written by a thread, so that a slow disk stops only that.

At most one write is under way: what comes meanwhile is not written, which is said. The file is
replaced as a whole. It must never open what another program put in the place of the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import threading
from pathlib import Path

from ccproxy.net.notices import ServerLog

SETTLE_TIMEOUT = 1.0
"""Seconds that the end of the server waits for a write that is under way."""


class InfoFile:
    """Writes one file again and again."""

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._written: asyncio.Future[None] | None = None

    def write(self, path: Path, text: str) -> None:
        """Begin to write the file, unless the write before is still under way."""
        if self._written is not None and not self._written.done():
            self._log.often(
                f"slow {path}", "cannot write %s: the write before takes too long, skipped", path
            )
            return
        loop = asyncio.get_running_loop()
        self._written = loop.create_future()

        def work() -> None:
            error = _written(path, text)
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self._done, path, error)

        threading.Thread(target=work, name="infofile", daemon=True).start()

    async def settle(self) -> None:
        """Wait until the file is written, but no longer than `SETTLE_TIMEOUT`."""
        if self._written is not None:
            await asyncio.wait([self._written], timeout=SETTLE_TIMEOUT)

    def _done(self, path: Path, error: OSError | None) -> None:
        assert self._written is not None
        self._written.set_result(None)
        if error is not None:
            why = error.strerror or str(error)
            self._log.often(f"cannot write {path}", "cannot write %s: %s", path, why)


def _written(path: Path, text: str) -> OSError | None:
    """Replace a file by one with this text; what went wrong."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        if not _may_be_replaced(path):
            return OSError("it is no regular file")
        # A link or a FIFO under this name is removed and never followed or opened.
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        return error
    return None


def _may_be_replaced(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)
