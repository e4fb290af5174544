# cython: language_level=3, boundscheck=False, wraparound=False, annotation_typing=False
"""The hot functions for messages that are told by their first frame: some have numbers there.

As in `hot.py` each is one straight line, which Cython compiles as `_heads`; `_heads.pxd` holds the
types. Both take whole messages only, from `start` to `end`. They must never keep state.
"""

from __future__ import annotations


def unmarked(data: bytes, start: int, end: int, marks: tuple[bytes, bytes]) -> int:
    """Where the messages end that begin with neither of two marks."""
    first, second = marks
    at = start
    while at < end and not data.startswith(first, at) and not data.startswith(second, at):
        flags = 1
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
            else:
                at += 2 + data[at + 1]
    return at


def counted(data: bytes, start: int, end: int, mark: bytes, number: int) -> int:
    """Where the messages end that begin with a mark and numbers, which count on from `number`.

    The mark is the beginning of a frame that holds the number as well.
    """
    size = len(mark)
    at = start
    while at < end and data.startswith(mark, at):
        found = 0
        for place in range(at + size, at + size + 8):
            found = found * 256 + data[place]
        if found != number:
            break
        number += 1
        flags = 1
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
            else:
                at += 2 + data[at + 1]
    return at
