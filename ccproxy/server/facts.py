"""What a handler says of itself, as plain values of bounded size: `status()` may give anything.

It must never call a plugin, but for making texts of its objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

MOST_FACTS = 2000
"""Values that the `status()` of one handler may give."""
LONGEST_TEXT = 1000
"""Characters of a text in it."""


def plain_facts(facts: object) -> dict[str, Any]:
    """What a handler said of itself as plain values; ValueError if it is too much or no mapping."""
    if not isinstance(facts, Mapping):
        raise ValueError(f"status() returned {facts!r:.80}, expected a dict")
    room = iter(range(MOST_FACTS))
    return {plain_text(name): _plain(value, room) for name, value in facts.items()}


def _plain(value: object, room: Iterator[int]) -> Any:
    """A copy of a value; anything but numbers, texts, lists and dicts becomes a text."""
    if next(room, None) is None:
        raise ValueError(f"status() returned more than {MOST_FACTS} values")
    if value is None or isinstance(value, bool | int) or _finite(value):
        return value
    if isinstance(value, Mapping):
        return {plain_text(name): _plain(one, room) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, room) for one in value]
    return plain_text(value)


def _finite(value: object) -> bool:
    """JSON has no infinite numbers, and none that are not a number."""
    return isinstance(value, float) and math.isfinite(value)


def plain_text(value: object) -> str:
    """A value as a text that is not too long."""
    return str(value)[:LONGEST_TEXT]
