"""Groups of rows by what they have in common, updated with each row that changes.

It must never look at all rows: what is asked of it costs the same with ten rows and with a million.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from ...journal import Key

R = TypeVar("R")
K = TypeVar("K", bound=Key)


class Index(Generic[R, K]):
    """Keys of rows by group, in the order in which they came into the group.

    `groups_of` says in which groups a row is.
    """

    __slots__ = ("_groups_of", "_groups")

    def __init__(self, groups_of: Callable[[R], Iterable[Hashable]]) -> None:
        self._groups_of = groups_of
        self._groups: dict[Hashable, dict[K, None]] = {}

    def update(self, key: K, old: R | None, new: R | None) -> None:
        """The row of `key` has changed from `old` to `new`; None = there is none."""
        before = self._groups_of(old) if old is not None else ()
        after = self._groups_of(new) if new is not None else ()
        if before == after:
            return
        for group in before:
            if group not in after:
                self._remove(group, key)
        for group in after:
            if group not in before:
                self._groups.setdefault(group, {})[key] = None

    def _remove(self, group: Hashable, key: K) -> None:
        keys = self._groups[group]
        del keys[key]
        if not keys:
            del self._groups[group]

    def of(self, group: Hashable) -> dict[K, None]:
        """The keys of a group; do not change it, and copy it before rows change."""
        return self._groups.get(group) or {}

    def size(self, group: Hashable) -> int:
        """How many rows are in a group."""
        found = self._groups.get(group)
        return len(found) if found else 0

    def first(self, group: Hashable) -> K | None:
        """The key that came first into a group."""
        return next(iter(self._groups.get(group, ())), None)

    def groups(self) -> Iterable[Hashable]:
        """All groups that have a row."""
        return self._groups.keys()
