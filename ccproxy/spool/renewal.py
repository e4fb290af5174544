"""A file that was removed while it is in use is written once more: SQLite can still read all of it.

It must never be written on another disk than that of the file, nor in the place of another file.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, replace

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import Damaged, SpoolRow
from ccproxy.spool.schema import SpoolCommit

BATCH_SIZE = 4 * 1024 * 1024
"""Bytes of rows that are written in one transaction."""
REPLACED = "was replaced by another file; what it held is sent, until the server ends: restart it"
ELSEWHERE = "was removed with its disk; what it held is sent, until the server ends: restart it"


class SpoolRemoved(OSError):
    """The file is not in its folder any more, and is not there again; it can be read."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """The new file, and what became of the messages that waited."""

    file: SpoolFile
    lost: int


@dataclass(slots=True)
class Renewals:
    """How often that was done, and what became of the messages."""

    times: int = 0
    written: int = 0
    lost: int = 0

    def note(self, result: Renewed) -> str:
        """Count one more; what is to be said of all."""
        self.times += 1
        self.written += result.file.state.messages
        self.lost += result.lost
        return (
            f"removed in use, times={self.times}: {self.written} messages were written once more, "
            f"{self.lost} lost"
        )


def prepare(old: SpoolFile) -> None:
    """Make the folder of a removed file again; SpoolRemoved if the file would not be the same."""
    folder = old.path.parent
    if old.path.exists():
        raise SpoolRemoved(f"{old.path} {REPLACED}")
    if not folder.parent.exists() or folder.parent.stat().st_dev != old.device:
        raise SpoolRemoved(f"{old.path} {ELSEWHERE}")
    folder.mkdir(mode=0o700, exist_ok=True)


def renewed(old: SpoolFile, full: bool) -> Renewed:
    """Write what waits in a removed file into a new one; on an exception there is none."""
    file = SpoolFile(old.path.parent, old.state.link, full)
    try:
        lost = _copy(old, file)
        file.checkpoint()
    except BaseException:
        file.abandon()
        for left in (file.path, file.log):
            with suppress(OSError):
                left.unlink()
        raise
    old.forsake()
    return Renewed(file, lost)


def _copy(old: SpoolFile, file: SpoolFile) -> int:
    """Write the rows that wait, and all that is known; how many messages cannot be read."""
    last = old.state
    origins = {(link, epoch): number for link, epoch, number in old.origins()}
    state = replace(last, last=last.released, messages=0, size=0, closed=0)
    batch: list[SpoolRow] = []
    lost = lost_size = pending = 0
    with closing(old.rows(last.released)) as rows:
        for row in rows:
            if isinstance(row, Damaged):
                lost, lost_size = lost + row.messages, lost_size + row.size
                continue
            state = replace(state, last=row.id, messages=state.messages + row.messages,
                            size=state.size + row.size)  # fmt: skip
            batch.append(row)
            pending += row.size
            if pending >= BATCH_SIZE:
                file.write(SpoolCommit(state, batch, origins))
                batch, origins, pending = [], {}, 0
    messages, size = max(0, last.messages - lost), max(0, last.size - lost_size)
    final = replace(last, messages=messages, size=size, closed=0)
    file.write(SpoolCommit(final, batch, origins))
    return lost
