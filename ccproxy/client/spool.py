"""The unconfirmed messages of a client in a folder, as in the spool of a link: `ccserver spool`
shows them, too.

Every `append` is one transaction, which is on the disk when it returns. The file is used by one
thread at a time. This module must never decide what is sent.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ccproxy.client.receipts import size_of
from ccproxy.core.delivery.producer import ProducedMessage
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.rows import Numbering, OfferedRun, SpoolRow
from ccproxy.spool.salvage import LOG_LOST, is_damage, salvage, set_aside, unfinished
from ccproxy.spool.schema import FILE_NAME, DamagedFile, SpoolCommit
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack


class _WrittenRow(NamedTuple):
    """A row without its messages."""

    id: int
    first: int
    messages: int
    size: int

    @classmethod
    def of(cls, row: SpoolRow) -> _WrittenRow:
        """What is remembered of a row."""
        return cls(row.id, row.first, row.messages, row.size)

    def ended(self, partial: int) -> int:
        """How many of its messages have their end, if `partial` is the number of the last one."""
        return max(0, partial - self.first + 1) if partial else 0


class ProducerSpool:
    """The folder of one client; OSError if it cannot be used, which names the file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._rows: deque[_WrittenRow] = deque()
        self.restored: list[ProducedMessage] = []
        """The messages of earlier starts, in order."""
        self.damage = ""
        """What was read of a damaged file, what was lost, and where it is now; "": it is whole."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            self._open(folder)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, folder: Path) -> None:
        try:
            self._file = self._found(folder)
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error) from error
        state, first = self._file.state, self._rows[0].id if self._rows else 0
        # What a damaged file says of these may be wrong.
        partial = state.partial if first == state.released + 1 else 0
        self._state = replace(state, partial=partial, messages=len(self.restored))
        self.producer = state.link
        """The id of the client: 16 random bytes that last as long as the file."""
        self.epoch = int.from_bytes(os.urandom(8), "big")
        self._numbers = Numbering(state.last + 1, self.epoch)

    def _found(self, folder: Path) -> SpoolFile:
        """The file of the folder, or a new one with what can be read of a damaged one."""
        aside = unfinished(folder)
        if aside is None:
            try:
                return self._whole(folder)
            except (sqlite3.Error, ValueError) as error:
                if not is_damage(error):
                    raise
                aside = set_aside(folder)
        self.damage = str(salvage(folder, aside, os.urandom(16), full=True))
        return self._whole(folder)

    def _whole(self, folder: Path) -> SpoolFile:
        file = SpoolFile(folder, os.urandom(16))
        try:
            file.check()
            self._read(file)
            file.mark_open()
        except BaseException:
            file.abandon()
            raise
        return file

    def _read(self, file: SpoolFile) -> None:
        if file.lost_log:
            self.damage = LOG_LOST
        self._rows.clear()
        self.restored = []
        state = file.state
        for row in file.rows(state.released):
            if not isinstance(row, SpoolRow):
                raise DamagedFile(f"row {row.id} is damaged")
            written = _WrittenRow.of(row)
            ended = written.ended(state.partial) if row.id == state.released + 1 else 0
            self.restored += _messages(row.behind(ended))
            self._rows.append(written)

    def append(self, messages: Sequence[Sequence[bytes]]) -> None:
        """Write messages, which get the next numbers of this epoch; all of them or, after OSError,
        none."""
        before = self._numbers.id, self._numbers.first
        items = [OfferedRun(pack(frames), 1) for frames in messages]
        rows = list(self._numbers.rows(items, time.time()))
        state = self._state
        now = replace(
            state, last=rows[-1].id, messages=state.messages + len(messages),
            size=state.size + sum(row.size for row in rows),
        )  # fmt: skip
        try:
            if self._file.removed:
                raise FileNotFoundError("was removed or replaced")
            self._file.write(SpoolCommit(now, rows, prune=state.released))
        except (sqlite3.Error, OSError) as error:
            self._numbers.id, self._numbers.first = before
            raise self._error(error) from error
        self._state = now
        self._rows.extend(map(_WrittenRow.of, rows))

    def settle(self, messages: int) -> None:
        """The oldest messages have their end; `write` notes it in the file."""
        state, rows = self._state, self._rows
        released, size = state.released, state.size
        done = messages + (rows[0].ended(state.partial) if rows else 0)
        while rows and done >= rows[0].messages:
            row = rows.popleft()
            released, done, size = row.id, done - row.messages, size - row.size
        partial = rows[0].first + done - 1 if rows and done else 0
        self._state = replace(
            state, released=released, partial=partial, size=size, messages=state.messages - messages
        )

    def write(self) -> None:
        """Note what has its end. What cannot be noted is sent again after the next start."""
        if self._state != self._file.state:
            with suppress(sqlite3.Error):  # the next `append` fails as well, and says so
                self._file.write(SpoolCommit(self._state, prune=self._state.released))

    def close(self) -> None:
        """Let another client have the folder."""
        self.write()
        try:
            self._file.close()
        except sqlite3.Error:
            self._file.abandon()
        finally:
            self._lock.release()

    def _error(self, error: Exception) -> OSError:
        """The error of a call of the file, with its name."""
        return OSError(f"{self._path}: {error}")


def _messages(row: SpoolRow) -> Iterator[ProducedMessage]:
    ends = [0, *boundaries(row.data)]
    for number, (start, end) in enumerate(pairwise(ends), row.first):
        frames = unpack(row.data[start:end])
        yield ProducedMessage(MessageNumber(row.epoch, number), frames, size_of(frames))
