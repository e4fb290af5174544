"""What an agent keeps over its own restart: the rows of the pure agent, and how to know its
processes again. Without a file it keeps nothing.

It is written before anything that depends on it happens, in the loop: a transaction without a
sync takes well under a millisecond (what a crash of the machine takes with it says nothing any
more, since the processes are gone as well).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..journal import Record
from ..store_file import StateFile
from .engine.rows import JOURNAL

_CHILD = "child"


@dataclass(frozen=True, slots=True)
class Known:
    """How to know a process again: its start, and what its stand-in needs (`env`, `ports`)."""

    instance: int
    start: str = ""
    env: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[str, int], ...] = ()


class Keep:
    """Reads at the start, writes from then on; sqlite3.Error or OSError if it cannot."""

    def __init__(self, path: str) -> None:
        self._file = StateFile(path, full=False) if path else None

    def read(self) -> tuple[list[Record], dict[int, Known]]:
        """The records of the agent, and what is known of its processes."""
        records: list[Record] = []
        known: dict[int, Known] = {}
        for table, key, row in self._file.read() if self._file else ():
            if table == _CHILD and row is not None:
                found = _known(int(key), row)
                known[found.instance] = found
            elif table != _CHILD:
                records.append(JOURNAL.from_text(table, key, row))
        return records, known

    def write(self, records: Iterable[Record]) -> None:
        """Rows of the agent; with a process its mark goes."""
        texts = [JOURNAL.to_text(one) for one in records]
        if self._file is None or not texts:
            return
        gone = [(_CHILD, key, None) for table, key, row in texts if table == "process" and not row]
        self._file.write([*texts, *gone])

    def mark(self, known: Known) -> None:
        """How to know a process again."""
        if self._file is not None:
            row = json.dumps([known.start, known.env, known.ports])
            self._file.write([(_CHILD, str(known.instance), row)])

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _known(instance: int, row: str) -> Known:
    start, env, ports = json.loads(row)
    return Known(
        instance, start, tuple((key, text) for key, text in env),
        tuple((plug, port) for plug, port in ports),
    )  # fmt: skip
