"""The three framings on a byte stream: finds whole messages in reads that are cut anywhere.

    lines      "name: contents" LF ..., an empty line ends the message
    tilde      lines joined with " ~ ", one LF ends the message
    semicolon  "name:contents" joined with ";", one LF ends the message

The first line received tells which framing it is; a connection keeps the framing of its first
message. It must never look further into a message than that, and never read a clock. A unit is
the bytes of one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MESSAGE_TIMEOUT = 5.0
"""Seconds that a peer may take between the first and the last byte of a message."""

_TILDE = re.compile(r"~\s*message_id", re.IGNORECASE)
_SEMICOLON = re.compile(r";\s*message_id\s*:", re.IGNORECASE)
_BLANK = re.compile(rb"\s+")
_FIELD = re.compile(rb"\s*[A-Za-z][A-Za-z0-9_]*\s*:")
"""How a message begins: with the name of a field."""


class Framing(Enum):
    """How the end of a message is marked on a byte stream."""

    LINES = "lines"
    TILDE = "tilde"
    SEMICOLON = "semicolon"


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """The most bytes of a message, bytes of a line, lines of a message, and marks in a message on
    one line: those between its fields, and those between the items of its lists."""

    message: int = 64 * 1024
    line: int = 16 * 1024
    lines: int = 256
    marks: int = 4096


def framing_of(first: str) -> Framing:
    """The framing that the first line of a message shows."""
    if _SEMICOLON.search(first):
        return Framing.SEMICOLON
    return Framing.TILDE if _TILDE.search(first) else Framing.LINES


def cut(text: str, framing: Framing) -> list[str]:
    """The lines of a unit, without blanks around them."""
    if framing is Framing.TILDE:
        return [part.strip() for part in text.split("~") if part.strip()]
    if framing is Framing.SEMICOLON:
        return [part.strip() for part in _outside(text) if part.strip()]
    return [line.strip() for line in text.strip("\r\n").split("\n")]


def _outside(text: str) -> list[str]:
    """Cut at each `;` outside parentheses; at each `;` if parentheses do not match."""
    pieces = text.split(";")
    parts, depth, inside = [], 0, []
    for piece in pieces:
        inside.append(piece)
        # Counting takes no time for each parenthesis, of which there can be thousands.
        depth += piece.count("(") - piece.count(")")
        if depth == 0:
            parts.append(";".join(inside))
            inside = []
    return pieces if inside else parts


class Reader:
    """Takes bytes, returns whole units; once `broken` is set it returns no more: close."""

    __slots__ = (
        "broken", "framing", "units", "_limits", "_buffer", "_searched", "_taken", "_count",
    )  # fmt: skip

    def __init__(self, limits: FramingLimits = FramingLimits()) -> None:
        self.framing: Framing | None = None
        """None until the first line is received."""
        self.broken = ""
        """A text about the limit that was exceeded; empty = none."""
        self.units = 0
        """Messages that became whole so far."""
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._taken: list[bytes] = []
        self._count = 0

    @property
    def partial(self) -> bool:
        """True if a message was received in part."""
        return bool(self._taken) or bool(self._buffer.strip(b"\r\n"))

    @property
    def held(self) -> int:
        """Bytes of a message that was received in part, about."""
        return len(self._buffer) + self._count

    def feed(self, data: bytes) -> list[bytes]:
        """The units that are complete now, without their end mark; lines inside end with LF."""
        units: list[bytes] = []
        if self.broken:
            return units
        self._buffer += data
        start = self._skip_blank_lines(0)
        self._searched = max(self._searched, start)
        while not self.broken and (end := self._buffer.find(b"\n", self._searched)) >= 0:
            unit = self._line(bytes(self._buffer[start:end]).removesuffix(b"\r"))
            start = self._searched = end + 1
            if unit:
                units.append(unit)
                start = self._searched = self._skip_blank_lines(start)
        del self._buffer[:start]
        self._searched = len(self._buffer)
        self.units += len(units)
        self._check_rest()
        return units

    def _skip_blank_lines(self, start: int) -> int:
        """Where the next message begins: blank lines in front of it are skipped all at once."""
        if self._taken:
            return start
        found = _BLANK.match(self._buffer, start)
        return found.end() if found else start

    def _line(self, line: bytes) -> bytes:
        """Take one more line; return the unit that it ends, or empty bytes."""
        if not line.strip():
            return self._ended()
        if not self._taken and not _FIELD.match(line):
            # What follows is no SSMMP either: a web page could hide a message in the body of a
            # request whose head was taken for one bad message.
            self._break("a message that does not begin with the name of a field")
            return b""
        if self.framing is None:
            self.framing = framing_of(line.decode("utf-8", "replace"))
        if self.framing is not Framing.LINES:
            return b"" if self._too_long(len(line), self._limits.message) else self._whole(line)
        self._count += len(line) + 1
        if self._too_long(len(line), self._limits.line) or self._too_many():
            return b""
        self._taken.append(line)
        return b""

    def _whole(self, line: bytes) -> bytes:
        """A message on one line, or empty bytes if it has too many fields."""
        tilde = self.framing is Framing.TILDE
        if (line.count(b"~") if tilde else line.count(b";")) >= self._limits.marks:
            self._break(f"a message of more than {self._limits.marks} fields and list items")
            return b""
        return line

    def _ended(self) -> bytes:
        unit = b"\n".join(self._taken)
        self._taken, self._count = [], 0
        return unit

    def _too_long(self, size: int, limit: int) -> bool:
        if size > limit:
            self._break(f"a line of {size} bytes, expected at most {limit}")
        return size > limit

    def _too_many(self) -> bool:
        if len(self._taken) >= self._limits.lines:
            self._break(f"a message of more than {self._limits.lines} lines")
        elif self._count > self._limits.message:
            self._break(f"a message of more than {self._limits.message} bytes")
        return bool(self.broken)

    def _check_rest(self) -> None:
        lines = self.framing is Framing.LINES
        limit = self._limits.line if lines else self._limits.message
        if not self.broken:
            self._too_long(len(self._buffer), limit)

    def _break(self, why: str) -> None:
        self.broken = why
        self._buffer.clear()
        self._taken.clear()
