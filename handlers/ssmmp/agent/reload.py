"""The repository file: read, checked, and looked at again when the server reloads."""

from __future__ import annotations

from pathlib import Path

from ccproxy import Problem

from .. import repository
from ..repository import Repository

Stamp = tuple[int, int, int]


class RepositoryFile:
    """`stamp` tells whether it has changed since it was read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp: Stamp | None = None

    def problems(self) -> list[Problem]:
        """All mistakes with their lines; OSError or ValueError if it cannot be read."""
        return repository.parse(self.path, self._text())[1]

    def read(self) -> Repository:
        """What it says; ValueError with all its mistakes."""
        self._stamp = self._now()
        found, problems = repository.parse(self.path, self._text())
        if found is None:
            raise ValueError("; ".join(map(str, problems)))
        return found

    @property
    def changed(self) -> bool:
        """True if it is not the file that was read."""
        return self._now() != self._stamp

    def _text(self) -> str:
        return Path(self.path).read_text("utf-8")

    def _now(self) -> Stamp | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
