"""Routes: which prefixes match a type, and in which order.

It must never check a prefix or a section: `ccproxy.config.routes` has done that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Routes:
    """The `[routes]` section: dotted prefix -> sections, `*` for every type."""

    __slots__ = ("_table",)

    def __init__(self, routes: Iterable[tuple[str, tuple[str, ...]]] = ()) -> None:
        self._table = dict(routes)

    def match(self, type: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every matching prefix with its sections: `*` first, then shortest to longest.

        A prefix matches by whole parts: `a.b` matches `a.b` and `a.b.c`, not `a.bb`.
        """
        table = self._table
        if "*" in table:
            yield "*", table["*"]
        end = type.find(".")
        while end >= 0:
            if type[:end] in table:
                yield type[:end], table[type[:end]]
            end = type.find(".", end + 1)
        if type in table and type != "*":
            yield type, table[type]

    def sections(self, type: str) -> tuple[str, ...]:
        """The sections that get a message of this type, in order; one may occur several times."""
        return tuple(section for _, sections in self.match(type) for section in sections)

    def below(self, type: str) -> list[str]:
        """The prefixes that match some types under this one, but not this one itself."""
        return [prefix for prefix in self._table if prefix.startswith(f"{type}.")]
