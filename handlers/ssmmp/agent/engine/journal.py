"""The agent's journal as text for a file or a database: the last record of a key wins."""

from __future__ import annotations

import json
from typing import Any

from .actions import Record
from .rows import OpenSession, Process
from .tables import ProcessState

_TABLES: dict[str, type[Process] | type[OpenSession]] = {
    "process": Process,
    "connection": OpenSession,
}


def to_text(record: Record) -> tuple[str, str, str | None]:
    """Table, key and row as texts; the row is a JSON list in the order of its fields."""
    row = record.row
    values = None if row is None else json.dumps([getattr(row, one) for one in row.__slots__])
    return record.table, json.dumps(record.key), values


def from_text(table: str, key: str, row: str | None) -> Record:
    """The record that `to_text` wrote; ValueError if it is not one."""
    try:
        if row is None:
            return Record(table, json.loads(key), None)
        type = _TABLES[table]
        named: dict[str, Any] = dict(zip(type.__slots__, json.loads(row), strict=False))
        if table == "process":
            named["state"] = ProcessState(named["state"])
            named["sockets"] = tuple((name, port) for name, port in named["sockets"])
        return Record(table, json.loads(key), type(**named))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"journal row {table} {key[:40]}: {error}") from None
