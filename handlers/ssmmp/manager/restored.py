"""The Manager of a state file: its rows are read, and the state that they tell is taken up.

It may run in a thread: with 10,000 sessions it takes half a second. It must never be called twice
for one file.
"""

from __future__ import annotations

import random

from ...state_file import StateFile
from ..graph import Graph
from ..journal import Record
from .engine.actions import Action
from .engine.engine import Manager
from .engine.rows import JOURNAL
from .options import Options


def restored(
    file: StateFile, graph: Graph, options: Options, now: float
) -> tuple[Manager, int, list[Action]]:
    """The Manager of a state file, the number of its rows, and its first actions."""
    records = sorted(map(_record, file.read()), key=_order)
    manager = Manager.restore(records, graph, options, random.random)
    begin = manager.resume if records else manager.start
    return manager, len(records), begin(now)


def _record(text: tuple[str, str, str | None]) -> Record:
    return JOURNAL.from_text(*text)


def _order(record: Record) -> tuple[str, int, str]:
    """Rows in the order in which they were made; the file has them in that of their texts."""
    number = record.key if isinstance(record.key, int) else 0
    return record.table, number, str(record.key)
