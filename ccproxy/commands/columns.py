"""Rows of values as columns of text. It must never read or print anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ccproxy.wire.text import escaped


def columns(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line of headings and a line for each row, numbers right-aligned; nothing without rows."""
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    if not cells:
        return
    right = [all(row[at].replace(".", "", 1).isdigit() for row in cells) for at in _range(names)]
    lines = [[name.upper() for name in names], *cells]
    widths = [max(len(line[at]) for line in lines) for at in _range(names)]
    for line in lines:
        padded = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def cell(value: Any) -> str:
    """One value as text without line breaks."""
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, dict):
        return escaped(" ".join(f"{name}:{_inner(one)}" for name, one in value.items()))
    return escaped(_inner(value))


def _inner(value: Any) -> str:
    """A value as text; a dict inside another value in brackets, without what is empty."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        given = {name: one for name, one in value.items() if one not in ("", None)}
        return f"({'; '.join(f'{name}: {_inner(one)}' for name, one in given.items())})"
    if isinstance(value, list):
        return ",".join(map(_inner, value))
    return str(value)


def _range(names: Sequence[str]) -> range:
    return range(len(names))
