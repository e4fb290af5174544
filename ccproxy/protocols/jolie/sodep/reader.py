"""Bytes of a sodep connection to whole messages, however the reads cut them.

    reader.feed(data) -> list of Frame; then `reader.broken` says why reading ended, if it did

It must never decode a value, hold more than one unfinished message, or raise for what a peer sent.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ccproxy.protocols.jolie.sodep.compiled import scan
from ccproxy.protocols.jolie.sodep.limits import SodepError, SodepLimits, TooLong
from ccproxy.protocols.jolie.sodep.scan import Walk

_LONG = 1 << 20
"""Bytes from which on an unfinished message grows in place: a join would copy it at each read."""

_HEAD = Struct(">qi").unpack_from
_LENGTH = Struct(">i").unpack_from
_NAMED = 5
"""Bytes between the end of the operation and a fault's name: the flag and the name's length."""


class Frame(NamedTuple):
    """One message, cut but not decoded.

    `tail` holds its bytes from the operation field on, untouched; `flag` is the offset of the fault
    flag in it, `value` that of the value that counts (the fault's if there is one). `fault` is the
    fault's name, None without one.
    """

    id: int
    path: bytes
    tail: bytes
    flag: int
    value: int
    fault: bytes | None

    @property
    def operation(self) -> bytes:
        """The operation name."""
        return self.tail[4 : self.flag]


class SodepReader:
    """Finds the messages of one direction of one connection."""

    def __init__(self, limits: SodepLimits) -> None:
        self.broken = ""
        """Why reading ended: the first bytes that are no message within the limits."""
        self.too_big = False
        """True if it ended at a message that is too long."""
        self.held = 0
        """Bytes of an unfinished message; at the end of the stream it should be 0."""
        self.whole = 0
        """Messages found so far."""
        self._limits = limits
        self._walk = Walk()
        self._parts: list[bytes | bytearray] = []

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are whole now, in order; nothing once `broken` is set."""
        return frames(*self.cut(data))

    def cut(self, data: bytes) -> tuple[bytes, list[int]]:
        """The same messages uncut: bytes that begin with them, and the offset where each ends."""
        ends: list[int] = []
        if self.broken:
            return b"", ends
        self._parts.append(data)
        self.held += len(data)
        if self.held < self._walk.need:
            return b"", ends
        whole = self._parts[0] if len(self._parts) == 1 else self._joined()
        try:
            start = scan(whole, 0, self._walk, self._limits, ends)
        except SodepError as reason:
            self.broken = str(reason)
            self.too_big = isinstance(reason, TooLong)
            start = len(whole)
        self.held = len(whole) - start
        self.whole += len(ends)
        if not start:
            self._parts = [whole]
            return b"", ends
        data = bytes(whole)
        self._parts = [data[start:]] if self.held else []
        return data, ends

    def _joined(self) -> bytes | bytearray:
        first, *rest = self._parts
        if self.held < _LONG:
            return b"".join(self._parts)
        grown = first if isinstance(first, bytearray) else bytearray(first)
        for part in rest:
            grown += part
        return grown


def frames(data: bytes, ends: list[int], start: int = 0) -> list[Frame]:
    """The messages that `cut` found, from the one that begins at `start`."""
    found = []
    for end in ends:
        found.append(_frame(data, start, end))
        start = end
    return found


def _frame(data: bytes, start: int, end: int) -> Frame:
    id, length = _HEAD(data, start)
    path = start + 12 + length
    operation = path + 4 + _LENGTH(data, path)[0]
    value, name = operation + 1, None
    if data[operation]:
        value = operation + _NAMED + _LENGTH(data, operation + 1)[0]
        name = data[operation + _NAMED : value]
    tail = data[path:end]
    return Frame(id, data[start + 12 : path], tail, operation - path, value - path, name)
