"""Texts that others wrote, made fit for a line of a log or a terminal: one line, bounded length.

Control characters and invisible characters that change how a line is shown are escaped, so that no
text begins a line of its own or reorders one. This module must never write anything.
"""

from __future__ import annotations

TEXT_LIMIT = 200
"""Characters of one text in a log line, such as a message type or the reason of an error."""
OPERATOR_LIMIT = 64 * 1024
"""Characters of a text that the operator wants in the log."""

_CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0)]
_INVISIBLE = [
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810),
    *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0x2800, 0x3164,
    *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
]  # fmt: skip
"""What Unicode lists as ignorable when a text is shown (marks and overrides of the direction of
writing, characters of no width, fillers, variation selectors, tags), line separators and blanks."""
_SURROGATES = range(0xD800, 0xE000)
"""Half characters, which no encoding can write."""


def _escape(code: int) -> str:
    return chr(code).encode("unicode_escape").decode("ascii")


_ESCAPES = {code: _escape(code) for code in [*_CONTROLS, *_INVISIBLE, *_SURROGATES] if code != 9}


class OperatorText(str):
    """A text that is in the log because the operator wants it there, such as the statistics.

    As an argument of a log call it may have `OPERATOR_LIMIT` characters.
    """

    __slots__ = ()


def escaped(text: str) -> str:
    """The text in one line: a tab stays, every other control character becomes visible."""
    return text.translate(_ESCAPES)


def shortened(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text escaped, in at most `limit` characters; its length is said where it is cut.

    It takes no longer for a text of many megabytes. `limit` is at least 60.
    """
    start = escaped(text[:limit])
    if len(text) <= limit and len(start) <= limit:
        return start
    note = f"... ({len(text)} characters)"
    return start[: limit - len(note)] + note
