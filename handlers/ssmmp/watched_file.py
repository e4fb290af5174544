"""A text file that is parsed, and parsed again when it has changed: a graph, a repository.

It must never watch by itself: its owner asks when the server reloads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ccproxy import Problem

T = TypeVar("T")
Parser = Callable[[str, str], tuple[T | None, list[Problem]]]
"""Makes a value of a path and the text there; None if the text has mistakes, and its problems."""

Stamp = tuple[int, int, int]
"""What is different when a file is another one: time of change, size, inode."""


class WatchedFile(Generic[T]):
    """`read` for a value, `changed` for whether the file is another one since then."""

    def __init__(self, path: str, parse: Parser[T]) -> None:
        self.path = path
        self._parse = parse
        self._stamp: Stamp | None = None

    def problems(self) -> list[Problem]:
        """All mistakes with their lines; OSError or ValueError if it is no file of text."""
        return self._parse(self.path, self._text())[1]

    def read(self) -> T:
        """What the file says, which is not `changed` any more; errors as in `look`."""
        self._stamp = self._current()
        return self.look()

    def look(self) -> T:
        """What the file says; ValueError with all its mistakes, OSError if there is none."""
        found, problems = self._parse(self.path, self._text())
        if found is None:
            raise ValueError("; ".join(map(str, problems)))
        return found

    @property
    def changed(self) -> bool:
        """True if the file is not the one that was read last."""
        return self._current() != self._stamp

    def _text(self) -> str:
        return Path(self.path).read_text("utf-8")

    def _current(self) -> Stamp | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
