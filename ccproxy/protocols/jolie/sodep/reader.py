"""Bytes of a sodep connection to whole messages, however the reads cut them.

    reader.feed(data) -> list of Frame; then `reader.broken` says why reading ended, if it did

It must never decode a value, hold more than one unfinished message, or raise for what a peer sent.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ccproxy.protocols.jolie.sodep.compiled import MessageCutter

_HEAD = Struct(">qi").unpack_from
_LENGTH = Struct(">i").unpack_from
_NAMED = 5
"""Bytes between the end of the operation and a fault's name: the flag and the name's length."""


class Frame(NamedTuple):
    """One message, cut but not decoded.

    `tail` holds its bytes from the operation field on, untouched (a large one is a bytearray, which
    nothing changes any more); `flag` is the offset of the fault
    flag in it, `value` that of the value that counts (the fault's if there is one). `fault` is the
    fault's name, None without one.
    """

    id: int
    path: bytes
    tail: bytes | bytearray
    flag: int
    value: int
    fault: bytes | None

    @property
    def operation(self) -> bytes:
        """The operation name."""
        return bytes(self.tail[4 : self.flag])


class SodepReader(MessageCutter):
    """Finds the messages of one direction of one connection."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are whole now, in order; nothing once `broken` is set."""
        found = frames(*self.cut(data))
        return found if self.large is None else [large_frame(self), *found]


def frames(data: bytes, ends: list[int], start: int = 0) -> list[Frame]:
    """The messages that `cut` found, from the one that begins at `start`."""
    found = []
    for end in ends:
        found.append(_frame(data, start, end))
        start = end
    return found


def large_frame(cutter: MessageCutter) -> Frame:
    """The message that `cut` has set apart; its bytes are not copied, and belong to the frame."""
    message, cutter.large = cutter.large, None
    assert message is not None
    path = 12 + _HEAD(message)[1]
    operation = path + 4 + _LENGTH(message, path)[0]
    end = operation + 1
    if message[operation]:
        end = operation + _NAMED + _LENGTH(message, operation + 1)[0]
    head = _frame(bytes(memoryview(message)[:end]), 0, end)
    # Bytes in front are taken away without a copy of those behind.
    del message[:path]
    return head._replace(tail=message)


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
