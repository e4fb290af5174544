# cython: language_level=3, wraparound=False, annotation_typing=False
"""The hot function of sodep: find the ends of whole messages by walking their value trees.

A sodep message has no outer length, so where it ends is known only when its tree is walked to the
end. One straight-line loop does it, longer than this project allows elsewhere: a function per node
adds a quarter. The same file is compiled by Cython as `_scan` where a C compiler is at hand, with
the types of `_scan.pxd`: a request of 65 bytes then takes 0.11 us instead of 1.6 (best of nine runs
of `scan(request * 1000, ...)`). That is why counts are put together from bytes: a call of `struct`
is quicker in plain Python, but when compiled it would take most of the time.

A string is stepped over by its length, never looked at. A count is read unsigned, so that a
negative one is beyond every limit. It must never recurse, decode a string, take memory by a length
that a peer announces, or walk a byte twice: a `Walk` remembers where an unfinished message stopped,
and the walk goes on from there.
"""

from __future__ import annotations

from ccproxy.protocols.jolie.sodep.limits import SodepError, SodepLimits, TooLong

LONG = 1 << 20
"""Bytes from which on an unfinished message grows in place: a join would copy it at each read."""
HEAD = 0
"""In front of id, path, operation and fault flag."""
FAULT = 1
"""In the value of a fault."""
VALUE = 2
"""In the value that ends the message."""


class Walk:
    """Where the walk through an unfinished message stands; offsets count from its first byte."""

    __slots__ = ("at", "elements", "names", "need", "nodes", "stack", "stage")

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.at = self.stage = self.names = self.elements = self.nodes = 0
        self.need = 0
        """Bytes of the message that have to be there before the walk can get any further."""


def scan(
    data: bytes | bytearray, start: int, walk: Walk, limits: SodepLimits, ends: list[int]
) -> int:
    """Append to `ends` where the whole messages of `data` from `start` on end; the last of these.

    `walk` belongs to the message that begins at `start`; afterwards it belongs to the unfinished
    message behind the last end. SodepError as soon as a byte is seen that no message within
    `limits` can have; the messages that were whole before it are in `ends`.
    """
    size = len(data)
    # A count of four bytes follows every payload and every child name.
    most = limits.message - 4
    name_most = limits.name
    stack_most = 2 * limits.depth - 2
    nodes_most = limits.nodes
    stack = walk.stack
    at = start + walk.at
    stage = walk.stage
    names = walk.names
    elements = walk.elements
    nodes = walk.nodes
    body = 0
    top = 0x7FFFFFFF
    try:
        while True:
            while elements:
                # One value: its tag, its payload, how many child names follow.
                tag = data[at]
                body = at + 1
                if tag == 2:
                    body += 4
                elif tag == 1 or tag == 4:
                    length = data[body] << 24 | data[body + 1] << 16
                    length |= data[body + 2] << 8 | data[body + 3]
                    if length > top:
                        raise SodepError(f"payload of {_signed(length)} bytes")
                    body += 4 + length
                elif tag == 3 or tag == 6:
                    body += 8
                elif tag == 5:
                    body += 1
                elif tag:
                    raise SodepError(f"payload tag {tag}; expected 0 to 6")
                if body - start > most:
                    raise TooLong(f"message of more than {limits.message} bytes")
                count = data[body] << 24 | data[body + 1] << 16
                count |= data[body + 2] << 8 | data[body + 3]
                at = body + 4
                elements -= 1
                if count:
                    nodes += count
                    if nodes > nodes_most:
                        what = f"value with {_signed(count)} child names; limit {nodes_most}"
                        raise SodepError(what)
                    if len(stack) >= stack_most:
                        raise SodepError(f"values nested deeper than {limits.depth}")
                    stack.append(names)
                    stack.append(elements)
                    names = count
                    elements = 0
            if names:
                # One child name and how many elements follow.
                length = data[at] << 24 | data[at + 1] << 16
                length |= data[at + 2] << 8 | data[at + 3]
                body = at + 4 + length
                if length > top:
                    raise SodepError(f"child name of {_signed(length)} bytes")
                if body - start > most:
                    raise TooLong(f"message of more than {limits.message} bytes")
                count = data[body] << 24 | data[body + 1] << 16
                count |= data[body + 2] << 8 | data[body + 3]
                at = body + 4
                names -= 1
                nodes += count
                if nodes > nodes_most:
                    what = f"vector of {_signed(count)} elements; limit {nodes_most} in a message"
                    raise SodepError(what)
                elements = count
                continue
            if stack:
                elements = stack.pop()
                names = stack.pop()
                continue
            if stage == FAULT:
                stage = VALUE
                elements = 1
                continue
            if stage == VALUE:
                ends.append(at)
                start = at
                stage = HEAD
                nodes = 0
            if at >= size:
                break
            body = at + 8
            length = data[body] << 24 | data[body + 1] << 16
            length |= data[body + 2] << 8 | data[body + 3]
            if length > name_most:
                raise SodepError(f"resource path of {_signed(length)} bytes; limit {name_most}")
            body += 4 + length
            length = data[body] << 24 | data[body + 1] << 16
            length |= data[body + 2] << 8 | data[body + 3]
            if length > name_most:
                raise SodepError(f"operation name of {_signed(length)} bytes; limit {name_most}")
            body += 4 + length
            if data[body]:
                length = data[body + 1] << 24 | data[body + 2] << 16
                length |= data[body + 3] << 8 | data[body + 4]
                if length > name_most:
                    raise SodepError(f"fault name of {_signed(length)} bytes; limit {name_most}")
                at = body + 5 + length
                stage = FAULT
            else:
                at = body + 1
                stage = VALUE
            elements = 1
    except IndexError:
        pass
    walk.need = (body if body > at else at) + 1 - start
    walk.at = at - start
    walk.stage = stage
    walk.names = names
    walk.elements = elements
    walk.nodes = nodes
    return start


class MessageCutter:
    """Finds the messages of one direction of one connection, uncut; see `SodepReader`."""

    __slots__ = ("_limits", "_parts", "_walk", "broken", "held", "large", "too_big", "whole")

    def __init__(self, limits: SodepLimits) -> None:
        self.broken = ""
        """Why reading ended: the first bytes that are no message within the limits."""
        self.too_big = False
        """True if it ended at a message that is too long."""
        self.held = 0
        """Bytes of an unfinished message; at the end of the stream it should be 0."""
        self.whole = 0
        """Messages found so far."""
        self.large: bytearray | None = None
        """A message of `LONG` bytes or more that the last `cut` found in front of the others; who
        takes it sets None. It is never copied: that would take a millisecond for each megabyte."""
        self._limits = limits
        self._walk = Walk()
        self._parts: list[bytes | bytearray] = []

    def cut(self, data: bytes) -> tuple[bytes, list[int]]:
        """The messages that are whole now: bytes that begin with them, and where each ends."""
        ends: list[int] = []
        if self.broken:
            return b"", ends
        self._parts.append(data)
        self.held += len(data)
        if self.held < self._walk.need:
            if self.held >= LONG:
                # Copied as they come: at the end it would be one long copy.
                self._parts = [self._joined()]
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
        if isinstance(whole, bytearray) and ends and ends[0] >= LONG:
            return self._behind(whole, start, ends)
        data = bytes(whole)
        self._parts = [data[start:]] if self.held else []
        return data, ends

    def _behind(self, whole: bytearray, start: int, ends: list[int]) -> tuple[bytes, list[int]]:
        """Set a large message apart; what is behind it came with its last read, as `cut` gives
        it."""
        first = ends[0]
        data = bytes(memoryview(whole)[first:])
        del whole[first:]
        self.large = whole
        self._parts = [data[start - first :]] if self.held else []
        return data, [end - first for end in ends[1:]]

    def _joined(self) -> bytes | bytearray:
        if self.held < LONG:
            return b"".join(self._parts)
        first, *rest = self._parts
        grown = first if isinstance(first, bytearray) else bytearray(first)
        for part in rest:
            grown += part
        return grown


def _signed(count: int) -> int:
    """A count as its sender meant it, for the error."""
    return count - (1 << 32) if count >> 31 else count
