"""What the loop and the thread of a spool give to each other.

It must never do anything itself but call what it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import Damaged, OfferedRun, SpoolRow
from ccproxy.spool.schema import State


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Where a spool is, and how it is written."""

    folder: Path
    full: bool = True
    """True: a commit is on the disk when it is told."""
    keep_size: int = 0
    keep_time: float = 0.0
    """How much of what is acknowledged stays for a replay, in bytes or in seconds."""

    @property
    def keeps(self) -> bool:
        """True if any of it stays."""
        return bool(self.keep_size or self.keep_time)


@dataclass(slots=True)
class SpoolWork:
    """What the loop hands over in one turn. The marks are ids of rows, see `State`."""

    items: list[OfferedRun] = field(default_factory=list)
    size: int = 0
    """Bytes of the items."""
    released: int = -1
    """-1: as before."""
    partial: int = 0
    written: int = 0
    gone: int = 0
    """Messages that wait no more, because they were released or dropped."""
    gone_size: int = 0
    refused: int = 0
    """Messages of these that the far side has refused."""
    dropped: list[int] = field(default_factory=list)
    server: bytes | None = None
    read: tuple[int, int] | None = None
    """Read behind this id about so many bytes."""
    calls: list[tuple[Callable[[SpoolFile], Any], asyncio.Future[Any]]] = field(
        default_factory=list
    )
    stop: bool = False

    def add(self, later: SpoolWork) -> None:
        """Take in what was handed over later."""
        self.items += later.items
        self.size += later.size
        if later.released >= 0:
            self.released, self.partial = later.released, later.partial
        self.written = max(self.written, later.written)
        self.gone += later.gone
        self.gone_size += later.gone_size
        self.refused += later.refused
        self.dropped += later.dropped
        self.server = self.server if later.server is None else later.server
        self.read = later.read or self.read
        self.calls += later.calls
        self.stop |= later.stop

    def take(self, most: int) -> tuple[list[OfferedRun], int]:
        """Take out the first items, of `most` bytes together or a larger one; their bytes."""
        size = count = 0
        for item in self.items:
            if count and size + len(item.chunk) > most:
                break
            size, count = size + len(item.chunk), count + 1
        taken = self.items[:count]
        del self.items[:count]
        self.size -= size
        return taken, size

    def state_behind(self, state: State, rows: Sequence[SpoolRow]) -> State:
        """The state of a file when these marks and rows are in it."""
        came = sum(row.messages for row in rows), sum(row.size for row in rows)
        return replace(
            state,
            server=state.server if self.server is None else self.server,
            last=rows[-1].id if rows else state.last,
            released=max(state.released, self.released),
            partial=self.partial if self.released >= 0 else state.partial,
            written=max(state.written, self.written),
            refused=state.refused + self.refused,
            messages=max(0, state.messages + came[0] - self.gone),
            size=max(0, state.size + came[1] - self.gone_size),
        )

    def behind_commit(self) -> SpoolWork:
        """What is left of it when the marks are written."""
        return SpoolWork(self.items, self.size, read=self.read, calls=self.calls, stop=self.stop)


@dataclass(frozen=True, slots=True)
class SpoolFound:
    """A spool as it was found."""

    state: State
    opening: int
    origins: list[tuple[bytes, int, int]]
    oldest: float | None
    damage: str


@dataclass(slots=True)
class SpoolDone:
    """What the thread has done; `problem` is why it could not write."""

    opened: SpoolFound | None = None
    """The file is open: told by itself, before anything else."""
    items: list[OfferedRun] = field(default_factory=list)
    size: int = 0
    rows: list[SpoolRow] = field(default_factory=list)
    lost: list[OfferedRun] = field(default_factory=list)
    """What could not be written at the end."""
    found: list[SpoolRow | Damaged] | None = None
    problem: str = ""
    damage: str = ""
    kept: int = 0
    commits: int = 0
    failures: int = 0


def result_of(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What a call returns, or the exception that it raises."""
    try:
        return call(), None
    except Exception as error:
        return None, error


def answer(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """Give a future its result, on the loop."""
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
