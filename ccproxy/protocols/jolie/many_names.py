"""Which names an object has already, however many: a dict for a few, 16 to 32 bytes for each more.

Each name has a number, by which its bytes can be found again where they came from. A set of a
million names would take ten times the memory of the text that they stand in. It must never take two
names for one, or take long for one name: tables grow in parts.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

FEW = 1024
"""Names that are kept as they are."""
PARTS = 64
SLOTS = 32
"""Places for names in a new part; half of them are used at most."""
_MARK = (1 << 31) - 1
_NUMBER = (1 << 32) - 1


class ManyNames:
    """The names of one object. `name_at` gives the name of a number, which has up to 32 bits."""

    __slots__ = ("_few", "_name_at", "_parts", "_used")

    def __init__(self, name_at: Callable[[int], bytes]) -> None:
        self._few: dict[bytes, int] = {}
        self._name_at = name_at
        self._parts: list[array[int]] = []
        self._used: list[int] = []

    def __len__(self) -> int:
        return len(self._few) + sum(self._used)

    def put(self, name: bytes, number: int) -> int:
        """Let a name have this number; the one that it had before, -1 if it is new."""
        few = self._few
        before = few.get(name, -1)
        if before >= 0 or len(few) < FEW:
            few[name] = number
            return before
        if not self._parts:
            self._parts = [array("q", bytes(8 * SLOTS)) for _ in range(PARTS)]
            self._used = [0] * PARTS
        return self._put(name, number)

    def _put(self, name: bytes, number: int) -> int:
        mark = hash(name) & _MARK
        part = mark % PARTS
        table = self._parts[part]
        slot, found = self._find(table, mark)
        while found >= 0:
            if self._name_at(found) == name:
                table[slot] = (mark << 32 | number) + 1
                return found
            slot, found = self._find(table, mark, slot + 1)
        table[slot] = (mark << 32 | number) + 1
        self._used[part] += 1
        if 2 * self._used[part] > len(table):
            self._grow(part)
        return -1

    def _find(self, table: array[int], mark: int, slot: int = -1) -> tuple[int, int]:
        """The next place of a mark, and the number there; -1 if it is a free place."""
        last = len(table) - 1
        slot = (mark // PARTS if slot < 0 else slot) & last
        while entry := table[slot]:
            if entry - 1 >> 32 == mark:
                return slot, entry - 1 & _NUMBER
            slot = slot + 1 & last
        return slot, -1

    def _grow(self, part: int) -> None:
        old = self._parts[part]
        new = self._parts[part] = array("q", bytes(16 * len(old)))
        last = len(new) - 1
        for entry in old:
            if entry:
                slot = (entry - 1 >> 32) // PARTS & last
                while new[slot]:
                    slot = slot + 1 & last
                new[slot] = entry
