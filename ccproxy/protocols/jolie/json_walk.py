"""The tokens of a JSON text in order, told to a visitor, in steps and without a node per value.

The text is UTF-8 that was checked. What most of a large text consists of, scalars in a row, is
found by one pattern for many of them at once. It must never hold more than the brackets that are
open, or look at more than `WINDOW` bytes in one step.
"""

from __future__ import annotations

import re
from typing import NoReturn

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import DEPTH

WINDOW = 16 * 1024
"""Bytes of one string that are looked at in one step; also the longest name."""
RUN = 4 * 1024
"""Bytes of scalars in a row that are told in one step."""
TOKENS_PER_STEP = 64
BYTES_PER_TOKEN = 32
"""Bytes of scalars in a row that count as one token."""
MAX_NUMBER = 4300
"""Characters of a number; Python reads no longer integer."""

_WS = rb"[ \t\n\r]*+"
_CHARACTERS = rb'[^"\\\x00-\x1f]*+'
_ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_INSIDE = rb"%b(?:%b%b)*+" % (_CHARACTERS, _ESCAPE, _CHARACTERS)
_STRING = rb'"%b"' % _INSIDE
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_ATOM = rb"(?>%b|true|false|null)(?![0-9a-zA-Z.+_-])" % _NUMBER
_SCALAR = rb"(?>%b|%b)" % (_STRING, _ATOM)
_ELEMENT = rb"%b(%b)%b," % (_WS, _SCALAR, _WS)
_MEMBER = rb"%b(%b)%b:%b(%b)%b," % (_WS, _STRING, _WS, _WS, _SCALAR, _WS)

_spaces = re.compile(_WS).match
inside = re.compile(_INSIDE).match
"""What of a string is there, whole escapes only."""
_name = re.compile(rb"(%b)%b:" % (_STRING, _WS)).match
_scalar = re.compile(rb"(%b)%b(,)?+" % (_SCALAR, _WS)).match
_elements = re.compile(rb"(?:%b%b%b,)*+" % (_WS, _SCALAR, _WS)).match
_members = re.compile(rb"(?:%b%b%b:%b%b%b,)*+" % (_WS, _STRING, _WS, _WS, _SCALAR, _WS)).match
each_element = re.compile(_ELEMENT).finditer
"""Every scalar in a part given to `Visitor.elements`."""
each_member = re.compile(_MEMBER).finditer
"""Every name and scalar in a part given to `Visitor.members`."""

OBJECT, ARRAY = b"{["
_CLOSING = {OBJECT: ord("}"), ARRAY: ord("]"), 0: -1}
_QUOTE, _COMMA, _SPACE = b'", '
_NAME, _VALUE, _AFTER = range(3)


class Visitor:
    """What the walk tells, as offsets in the text; a string or name is told with its quotes."""

    def elements(self, start: int, end: int) -> None:
        """Scalars of an array, one or more, each with the comma behind it."""

    def members(self, start: int, end: int) -> None:
        """Members of an object whose values are scalars, each with the comma behind it."""

    def name(self, start: int, end: int) -> None:
        """The name of a member, whose value is told next."""

    def scalar(self, start: int, end: int) -> None:
        """A string, a number, true, false or null."""

    def long_string(self, start: int, end: int) -> Steps[None]:
        """A string of more than `WINDOW` bytes."""
        raise NotImplementedError

    def opened(self, bracket: int, at: int) -> None:
        """An object or array begins."""

    def closed(self, end: int) -> None:
        """The one that was opened last has ended."""


def walk(data: bytes | bytearray, start: int, end: int, visitor: Visitor) -> Steps[None]:
    """Tell the one value in this part of a text; ValueError if it is no JSON, or nested deeper
    than `DEPTH` by the count of `json_values.to_tree`."""
    stack: list[tuple[int, int]] = []
    bracket, depth, at, tokens = 0, 1, start, 0
    expected, empty = _VALUE, False
    while expected != _AFTER or stack:
        tokens += 1
        if tokens > TOKENS_PER_STEP:
            tokens = 0
            yield
        if at >= end:
            raise ValueError("it ends in the middle of a value")
        byte = data[at]
        if byte <= _SPACE:
            stop = _behind_spaces(data, at, end)
            tokens += (stop - at) // BYTES_PER_TOKEN
            at = stop
        elif byte == _COMMA and expected == _AFTER:
            at += 1
            expected = _NAME if bracket == OBJECT else _VALUE
        elif byte == _CLOSING[bracket] and (expected == _AFTER or empty):
            at += 1
            visitor.closed(at)
            bracket, depth = stack.pop()
            expected, empty = _AFTER, False
            if at < end and data[at] == _COMMA and stack:
                at += 1
                expected = _NAME if bracket == OBJECT else _VALUE
        elif depth > DEPTH:
            raise ValueError(f"it is nested deeper than {DEPTH}")
        elif expected == _NAME:
            empty = False
            found = _name(data, at, min(at + WINDOW, end))
            if not found:
                _unexpected(at, f"a name of at most {WINDOW} bytes and a colon")
            stop = _members(data, at, min(at + RUN, end)).end()  # type: ignore[union-attr]
            if stop > at:
                visitor.members(at, stop)
                tokens += (stop - at) // BYTES_PER_TOKEN
                at = stop
            else:
                visitor.name(at, found.end(1))
                at = found.end()
                expected = _VALUE
        elif expected == _AFTER:
            _unexpected(at, "a comma or the end of an object or array")
        elif byte in (OBJECT, ARRAY):
            visitor.opened(byte, at)
            stack.append((bracket, depth))
            depth += not (byte == ARRAY and bracket == OBJECT)
            at += 1
            bracket, expected, empty = byte, (_NAME if byte == OBJECT else _VALUE), True
        else:
            empty = False
            found = _scalar(data, at, min(at + WINDOW, end))
            if not found:
                stop = yield from _end_of_string(data, at, end)
                yield from visitor.long_string(at, stop)
                expected = _AFTER
                at = stop
                continue
            if byte != _QUOTE and found.end(1) - at > MAX_NUMBER:
                raise ValueError(f"a number of more than {MAX_NUMBER} characters at byte {at}")
            if bracket == ARRAY and found[2]:
                stop = _elements(data, at, min(at + RUN, end)).end()  # type: ignore[union-attr]
                stop = max(stop, found.end())
                visitor.elements(at, stop)
                tokens += (stop - at) // BYTES_PER_TOKEN
                at = stop
                continue
            visitor.scalar(at, found.end(1))
            at = found.end()
            expected = _NAME if found[2] else _AFTER
    while at < end:
        yield
        at = _behind_spaces(data, at, end)


def end_of_name(data: bytes | bytearray, at: int) -> int:
    """Where a name ends that was told already."""
    found = _name(data, at)
    assert found is not None
    return found.end(1)


def _behind_spaces(data: bytes | bytearray, at: int, end: int) -> int:
    found = _spaces(data, at, min(at + WINDOW, end))
    assert found is not None
    if found.end() == at:
        _unexpected(at, "nothing but JSON")
    return found.end()


def _end_of_string(data: bytes | bytearray, at: int, end: int) -> Steps[int]:
    if data[at] != _QUOTE:
        _unexpected(at, "a value")
    at += 1
    while True:
        yield
        found = inside(data, at, min(at + WINDOW, end))
        stop = found.end() if found else at
        if stop < end and data[stop] == _QUOTE:
            return stop + 1
        if stop == at:
            _unexpected(at, "a character of a string")
        at = stop


def _unexpected(at: int, expected: str) -> NoReturn:
    raise ValueError(f"expected {expected} at byte {at}")
