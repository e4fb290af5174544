"""A user's mistake as a value: file, line, what is wrong, and a hint.

Problems are collected and must never be raised, so that all of them are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a configuration; line 0 means the whole file. The server starts in spite of a
    warning."""

    file: str
    line: int
    what: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        kind = "warning: " if self.warning else ""
        return f"{where}: {kind}{self.what}" + (f"; {self.hint}" if self.hint else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as `did you mean "ping"?`, or nothing when no known word is close."""
    close = get_close_matches(word, [one for one in known if _alike(word, one)], n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def _alike(one: str, other: str) -> bool:
    """False for words of quite different lengths, unless one is a part of the other.

    They may have most of their letters in common: "infowriter" is no misspelt "filter".
    """
    short, long = sorted((one, other), key=len)
    return short in long or 3 * (len(long) - len(short)) <= len(long)
