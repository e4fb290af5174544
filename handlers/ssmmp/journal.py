"""The journal of a role: every change of its state as one record, and records as text.

A record says what a row is now. The last record of a key wins, so a database can hold the records
of a table as an upsert by (table, key). A row is a frozen dataclass; its text is the JSON list of
its values in the order of its fields, so that a field may be renamed, and new ones are added at
the end with a default: files of older versions stay readable. This module must never know a table
of any role, and never write a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import EnumType
from typing import Any, get_args, get_origin, get_type_hints

from ..state_file import Text

Key = str | int


@dataclass(frozen=True, slots=True)
class Record:
    """Row `key` of `table` is `row` now: a frozen dataclass, the number of a counter, or None if
    the row is forgotten."""

    table: str
    key: Key
    row: Any


class Journal:
    """The text form of the records of some tables: `tables` names the type of the rows of each, a
    dataclass, or int for counters."""

    def __init__(self, tables: Mapping[str, type[Any]]) -> None:
        self._decoders = {name: _decoder(type) for name, type in tables.items()}

    def to_text(self, record: Record) -> Text:
        """A record as text."""
        row = None if record.row is None else _encode(record.row)
        return record.table, _encode(record.key), row

    def from_text(self, table: str, key: str, row: str | None) -> Record:
        """The record that `to_text` wrote; ValueError if it is not one."""
        try:
            decode = self._decoders[table]
            return Record(table, json.loads(key), None if row is None else decode(json.loads(row)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"journal row {table} {key[:40]}: {error}") from None


def last(records: Iterable[Record]) -> dict[tuple[str, Key], Record]:
    """The last record of every key: what a database with an upsert would hold."""
    return {(one.table, one.key): one for one in records}


def _values(row: Any) -> list[Any]:
    return [getattr(row, one) for one in row.__slots__]


_encode = json.JSONEncoder(separators=(",", ":"), default=_values).encode
"""JSON calls `default` for what it does not know: rows, and dataclasses inside of rows."""

Decoder = Callable[[Any], Any]
"""Makes the value of a type from what JSON has made of it; TypeError or ValueError if it cannot."""

_PLAIN = (str, int, float, bool)


def _decoder(type: Any) -> Decoder:
    """The decoder of a type: of a row, a tuple, a state, or of what JSON knows by itself."""
    if is_dataclass(type):
        return _row_decoder(type)
    if get_origin(type) is tuple:
        return _tuple_decoder(get_args(type))
    if isinstance(type, EnumType):
        return type
    if type not in _PLAIN:
        raise TypeError(f"a row cannot hold a value of the type {type}")
    return lambda value: value


def _row_decoder(type: Any) -> Decoder:
    hints = get_type_hints(type)
    decoders = [_decoder(hints[one.name]) for one in fields(type)]
    required = sum(one.default is MISSING for one in fields(type))

    def decode(values: Any) -> Any:
        if not isinstance(values, list) or not required <= len(values) <= len(decoders):
            found = f"{len(values)} fields" if isinstance(values, list) else f"{values!r:.40}"
            raise ValueError(f"{found}, expected {required} to {len(decoders)} fields")
        return type(*[one(value) for one, value in zip(decoders, values, strict=False)])

    return decode


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decoder:
    if arguments[1:] == (...,):
        item = _decoder(arguments[0])
        return lambda values: tuple(map(item, values))
    items = [_decoder(one) for one in arguments]
    return lambda values: tuple(decode(value) for decode, value in zip(items, values, strict=True))
