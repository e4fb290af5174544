"""A mapping in parts, for what may have 100,000 entries on the loop.

A dict that grows moves all of its entries at once: ten of them with 87,381 entries each, which grow
at the same one, take 27 ms. Here a part moves at a time. Only what the indexes of the registrar
need; entries come in no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

PARTS = 64
MASK = PARTS - 1
"""The part of an integer n is `parts[n & MASK]`, for loops that cannot afford a call."""

Key = TypeVar("Key")
Content = TypeVar("Content")


class PartedTable(Generic[Key, Content]):
    """Keys and their contents; a set of keys, if the contents are None."""

    __slots__ = ("parts",)

    def __init__(self, entries: Iterable[tuple[Key, Content]] = ()) -> None:
        self.parts: list[dict[Key, Content]] = [{} for _ in range(PARTS)]
        for key, content in entries:
            self[key] = content

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __bool__(self) -> bool:
        return any(self.parts)

    def __iter__(self) -> Iterator[Key]:
        for part in self.parts:
            yield from part

    def __contains__(self, key: object) -> bool:
        return key in self.parts[hash(key) & MASK]

    def __getitem__(self, key: Key) -> Content:
        return self.parts[hash(key) & MASK][key]

    def __setitem__(self, key: Key, content: Content) -> None:
        self.parts[hash(key) & MASK][key] = content

    def __delitem__(self, key: Key) -> None:
        del self.parts[hash(key) & MASK][key]

    def get(self, key: Key) -> Content | None:
        """The content, None if there is none."""
        return self.parts[hash(key) & MASK].get(key)

    def setdefault(self, key: Key, content: Content) -> Content:
        """The content, which is this one if there was none."""
        return self.parts[hash(key) & MASK].setdefault(key, content)

    def pop(self, key: Key) -> Content | None:
        """Take an entry out; its content, None if there is none."""
        return self.parts[hash(key) & MASK].pop(key, None)
