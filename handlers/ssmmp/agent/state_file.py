"""What an agent keeps over its own restart: the rows of its engine, and how to recognise its
processes. Without a path it keeps nothing.

A row is written before anything that depends on it happens, in the loop: a transaction without a
sync takes well under a millisecond. A crash of the machine may lose the latest transactions, and
that does no harm, because the processes they describe are gone as well. While the file cannot be
written (a full disk) the agent goes on, and what is not written yet is tried again with all that
follows: an agent that stopped there would leave processes without anybody to speak for them. This
module must never decide what a row means.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from ...state_file import StateFile, Text
from ..journal import Record
from .engine.rows import JOURNAL

_CHILD = "child"


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """How to recognise the process of an instance: when it started; and what its sidecar needs, the
    variables (`env`) and local ports by plug."""

    instance: int
    start: str = ""
    env: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[str, int], ...] = ()


class AgentStateFile:
    """Read at the start, written from then on; sqlite3.Error or OSError if it cannot be opened.
    `fault` is why it cannot be written now, empty if it can."""

    def __init__(self, path: str) -> None:
        self.fault = ""
        self._file = StateFile(path, full=False) if path else None
        self._unwritten: dict[tuple[str, str], Text] = {}

    def read(self) -> tuple[list[Record], dict[int, ProcessMark]]:
        """The records of the agent, and the marks of its processes by instance."""
        records: list[Record] = []
        marks: dict[int, ProcessMark] = {}
        for table, key, row in self._file.read() if self._file else ():
            if table == _CHILD and row is not None:
                found = _mark(int(key), row)
                marks[found.instance] = found
            elif table != _CHILD:
                records.append(JOURNAL.from_text(table, key, row))
        return records, marks

    def write(self, records: Iterable[Record]) -> None:
        """Write rows of the agent; when a process is forgotten, so is its mark."""
        texts = [JOURNAL.to_text(one) for one in records]
        gone = [(_CHILD, key, None) for table, key, row in texts if table == "process" and not row]
        self._write([*texts, *gone])

    def retry(self) -> None:
        """Write what could not be written."""
        self._write(())

    def _write(self, texts: Iterable[Text]) -> None:
        """Only the latest text of each key waits, so that a long fault fills no memory."""
        if self._file is None:
            return
        self._unwritten.update({(one[0], one[1]): one for one in texts})
        if not self._unwritten:
            return
        try:
            self._file.write(self._unwritten.values())
        except (sqlite3.Error, OSError) as error:
            self.fault = str(error)
            return
        self.fault = ""
        self._unwritten.clear()

    def mark(self, mark: ProcessMark) -> None:
        """Write the mark of a process."""
        row = json.dumps([mark.start, mark.env, mark.ports])
        self._write([(_CHILD, str(mark.instance), row)])

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _mark(instance: int, row: str) -> ProcessMark:
    start, env, ports = json.loads(row)
    return ProcessMark(
        instance, start, tuple((key, text) for key, text in env),
        tuple((plug, port) for plug, port in ports),
    )  # fmt: skip
