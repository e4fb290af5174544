"""Bytes of a sodep connection to whole messages, however the reads cut them.

    reader.feed(data) -> list of Frame; then `reader.broken` says why reading ended, if it did

It must never decode a value, hold more than one unfinished message, or raise for what a peer sent.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ccproxy.wire.sodep.limits import Limits, SodepError
from ccproxy.wire.sodep.scan import Span, Walk

try:
    from ccproxy.wire.sodep._scan import scan
except ImportError:
    from ccproxy.wire.sodep.scan import scan

_JOIN = 32768
"""Bytes; an unfinished message up to this size is joined with the next read, a larger one grows."""

_HEAD = Struct(">qi").unpack_from
_NAMED = 5
"""Bytes between the end of the operation and a fault's name: the flag and the name's length."""


class Frame(NamedTuple):
    """One message, cut but not decoded.

    `tail` are its bytes from the operation field on, untouched; `flag` is the offset of the fault
    flag in it, `value` of the value that counts (the fault's if there is one). `fault` is the
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


class Reader:
    """Finds the messages of one direction of one connection."""

    def __init__(self, limits: Limits) -> None:
        self.broken = ""
        """Why reading ended: the first bytes that are no message within the limits."""
        self._limits = limits
        self._walk = Walk()
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes of an unfinished message; at the end of the stream it should be 0."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are whole now, in order; nothing once `broken` is set."""
        if self.broken:
            return []
        held = self._held
        if len(held) > _JOIN:
            held += data
            return self._scan(held)
        return self._scan(bytes(held) + data if held else data)

    def _scan(self, data: bytes | bytearray) -> list[Frame]:
        spans: list[Span] = []
        try:
            start = scan(data, 0, self._walk, self._limits, spans)
        except SodepError as reason:
            self.broken = str(reason)
            start = len(data)
        found = [_frame(data, span) for span in spans]
        if data is not self._held and (self._held or start < len(data)):
            self._held = bytearray(data[start:])
        elif isinstance(data, bytearray):
            del data[:start]
        return found


def _frame(data: bytes | bytearray, span: Span) -> Frame:
    start, path, operation, fault, end = span
    id, _ = _HEAD(data, start)
    name = bytes(data[operation + _NAMED : fault]) if data[operation] else None
    return Frame(
        id,
        bytes(data[start + 12 : path]),
        bytes(data[path:end]),
        operation - path,
        fault - path,
        name,
    )
