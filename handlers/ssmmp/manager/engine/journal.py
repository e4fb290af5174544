"""The journal: every change of state as one record, and its text for a database.

A record says what a row is now; the last record of a key wins, so the records of a table can be
kept as an upsert by (table, key). It must never be written later than a message that follows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from .rows import TABLES, Key, Operation, Row, Step
from .tables import AgentState, InstanceState, SessionState

COUNTER = "counter"
"""The table of counters: the last number given out, by the name of the counter."""

_STATES: dict[str, type[AgentState] | type[InstanceState] | type[SessionState]] = {
    "agent": AgentState,
    "instance": InstanceState,
    "session": SessionState,
}


@dataclass(frozen=True, slots=True)
class Record:
    """Row `key` of `table` is `row` now; None = it is forgotten."""

    table: str
    key: Key
    row: Row | int | None


def to_text(record: Record) -> tuple[str, str, str | None]:
    """Table, key and row of a record as texts; the row is a JSON list in the order of its fields,
    None if the row is forgotten."""
    key = json.dumps(record.key)
    if record.row is None:
        return record.table, key, None
    if isinstance(record.row, int):
        return record.table, key, json.dumps(record.row)
    return record.table, key, json.dumps(_values(record.row), separators=(",", ":"))


def _values(row: Row | Step) -> list[Any]:
    values = [getattr(row, one) for one in row.__slots__]
    return [[_values(step) for step in one] if _steps(one) else one for one in values]


def _steps(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Step)


def from_text(table: str, key: str, row: str | None) -> Record:
    """The record that `to_text` wrote; ValueError if it is not one."""
    try:
        found = None if row is None else json.loads(row)
        if table != COUNTER and found is not None:
            found = _row(table, found)
        return Record(table, json.loads(key), found)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"journal row {table} {key[:40]}: {error}") from None


def _row(table: str, values: list[Any]) -> Row:
    type = TABLES[table]
    if not isinstance(values, list) or len(values) > len(fields(type)):
        raise ValueError(f"{len(values)} fields, expected at most {len(fields(type))}")
    frozen = [_frozen(one) for one in values]
    named = dict(zip(type.__slots__, frozen, strict=False))
    if table in _STATES:
        named["state"] = _STATES[table](named["state"])
    if "was" in named:
        named["was"] = InstanceState(named["was"])
    if type is Operation:
        named["steps"] = tuple(Step(*one) for one in named["steps"])
    return type(**named)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def last(records: Iterable[Record]) -> dict[tuple[str, Key], Record]:
    """The last record of every key: what a database with an upsert would hold."""
    return {(one.table, one.key): one for one in records}
