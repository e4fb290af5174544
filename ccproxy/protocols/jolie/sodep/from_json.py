"""JSON text to the bytes of a sodep value, in steps.

A count stands in front of what it counts, so a gap is left for it and filled at the end of its
object or array. The result is what `tree.encode(json_values.to_tree(...))` gives; it must never
keep more than the result and the brackets that are open.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from struct import Struct
from typing import NamedTuple

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import ARRAY as ARRAY_NAME
from ccproxy.protocols.jolie.json_values import PAYLOAD, JsonText
from ccproxy.protocols.jolie.json_walk import (
    OBJECT,
    WINDOW,
    Visitor,
    each_element,
    each_member,
    inside,
    walk,
)
from ccproxy.protocols.jolie.sodep.tree import characters, encoded_payload, text
from ccproxy.protocols.jolie.values import MAX_NODES, Unportable

MAX_NAMES = 256
"""Names whose bytes are remembered while one value is written."""
_LENGTH = Struct(">i")
_NO_COUNT = bytes(4)
_ONE = _LENGTH.pack(1)
_ints = re.compile(rb"(?:[ \t\n\r]*+-?+[0-9]{1,9}+[ \t\n\r]*+,)++").fullmatch
_LITERALS = {b"null": b"\0", b"true": b"\5\1", b"false": b"\5\0"}
_QUOTE = ord('"')
_INT = bytes((2, 0, 0, 0, 0, 0, 0, 0, 0))
"""An int without children, still without its four bytes."""


class _Open(NamedTuple):
    """What is around the value that comes next: an object, or an array (`node` is -1).

    `gap` is where the count belongs, `counted` what it had counted before the inner one began.
    """

    node: int
    gap: int
    counted: int


class SodepWriter(Visitor):
    """Writes what the walk tells."""

    def __init__(self, data: bytes | bytearray, charset: str, most: int) -> None:
        """Unportable if there are more than `most` values and names."""
        self.out = bytearray()
        self._data = data
        self._charset = charset
        self._most = most
        self._nodes = 0
        self._stack: list[_Open] = []
        self._node = self._gap = -1
        self._count = 0
        self._named = False
        self._payload = False
        self._names: dict[bytes, bytes] = {}
        self._array = _ONE + text(ARRAY_NAME, charset)

    def elements(self, start: int, end: int) -> None:
        """Scalars in a row: integers of up to 32 bits take a way of their own."""
        data = self._data
        before = len(self.out)
        if _ints(data, start, end):
            self.out += _packed(array("i", map(int, data[start : end - 1].split(b","))))
            count = (len(self.out) - before) // len(_INT)
        else:
            tokens = [one[1] for one in each_element(data, start, end)]
            count = len(tokens)
            self.out += b"".join([self._scalar(one) + _NO_COUNT for one in tokens])
        self._count += count
        self._add(count)

    def members(self, start: int, end: int) -> None:
        """Members in a row whose values are scalars."""
        for one in each_member(self._data, start, end):
            name, token = one.groups()
            self._begin(name)
            self._put(self._scalar(token))

    def name(self, start: int, end: int) -> None:
        """The name of a member."""
        self._begin(bytes(self._data[start:end]))

    def scalar(self, start: int, end: int) -> None:
        """One scalar."""
        self._put(self._scalar(bytes(self._data[start:end])))

    def long_string(self, start: int, end: int) -> Steps[None]:
        """A long string, piece by piece."""
        payload = self._payload
        target = bytearray() if payload else self.out
        if not payload:
            self._value()
        target += b"\1"
        gap = len(target)
        target += _NO_COUNT
        yield from _unescaped(self._data, start + 1, end - 1, self._charset, target)
        _LENGTH.pack_into(target, gap, len(target) - gap - 4)
        if payload:
            self._put(target)
        else:
            self.out += _NO_COUNT

    def opened(self, bracket: int, at: int) -> None:
        """An object or array begins."""
        if self._payload:
            raise Unportable(f"{PAYLOAD!r} is a payload; it holds an object or array")
        out = self.out
        if bracket != OBJECT and self._named:
            self._named = False
            self._push(-1, len(out))
        else:
            self._value()
            node = len(out)
            out += b"\0"
            if bracket == OBJECT:
                self._push(node, node + 1)
            else:
                self._add(1)
                out += self._array
                self._push(-1, len(out))
        out += _NO_COUNT

    def closed(self, end: int) -> None:
        """The end of one: its count is known now."""
        _LENGTH.pack_into(self.out, self._gap, self._count)
        self._node, self._gap, self._count = self._stack.pop()

    def _push(self, node: int, gap: int) -> None:
        self._stack.append(_Open(self._node, self._gap, self._count))
        self._node, self._gap, self._count = node, gap, 0

    def _add(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > self._most:
            raise Unportable(f"more than {self._most} values and names")

    def _begin(self, raw: bytes) -> None:
        """A member of this name, as it stands in the text; its value comes next."""
        known = self._names
        field = known.get(raw)
        if field is None:
            field = self._field(raw)
            if len(known) < MAX_NAMES:
                known[raw] = field
        if not field:
            self._payload = True
            return
        self._named = True
        self._count += 1
        self._add(1)
        self.out += field

    def _field(self, raw: bytes) -> bytes:
        """The name as sodep has it; empty for that of the payload."""
        name = json.loads(raw)
        if name == ARRAY_NAME:
            raise Unportable(f"the name {ARRAY_NAME!r} stands for an array, not for a child")
        return b"" if name == PAYLOAD else text(name, self._charset)

    def _value(self) -> None:
        """A value begins: count it where it belongs."""
        self._add(1)
        if self._named:
            self._named = False
            self.out += _ONE
        elif self._node < 0:
            self._count += 1

    def _put(self, payload: bytes | bytearray) -> None:
        """A scalar: a value without children, or the payload of the object around it."""
        if not self._payload:
            self._value()
            self.out += payload
            self.out += _NO_COUNT
            return
        self._payload = False
        node = self._node
        # The payload stands in front of the children that are written already.
        self.out[node : node + 1] = payload
        self._gap = node + len(payload)

    def _scalar(self, token: bytes) -> bytes:
        """The payload of a scalar of the text."""
        if token[0] == _QUOTE:
            if b"\\" in token:
                return b"\1" + text(json.loads(token), self._charset)
            return b"\1" + self._recoded(token[1:-1])
        if token in _LITERALS:
            return _LITERALS[token]
        if token.isdigit() or token[1:].isdigit():
            return encoded_payload(int(token), self._charset)
        return encoded_payload(float(token), self._charset)

    def _recoded(self, raw: bytes) -> bytes:
        if self._charset == "utf-8" or self._charset != "utf-16-be" and raw.isascii():
            return _LENGTH.pack(len(raw)) + raw
        return text(raw.decode(), self._charset)


def from_json(value: JsonText, charset: str = "utf-8", most: int = MAX_NODES) -> Steps[bytearray]:
    """The bytes of a value; Unportable if it has no sodep form."""
    writer = SodepWriter(value.data, charset, most)
    yield from walk(value.data, value.start, value.end, writer)
    return writer.out


def _packed(numbers: array[int]) -> bytearray:
    """Integers of 32 bits as values without children."""
    if sys.byteorder == "little":
        numbers.byteswap()
    digits = numbers.tobytes()
    made = bytearray(_INT * len(numbers))
    for place in range(4):
        made[1 + place :: len(_INT)] = digits[place::4]
    return made


def _unescaped(
    data: bytes | bytearray, start: int, end: int, charset: str, out: bytearray
) -> Steps[None]:
    """Append the characters of a long string without its escapes, in the charset."""
    half = ""
    while start < end:
        stop = _cut(data, start, end)
        found = half + json.loads(b'"%b"' % bytes(data[start:stop]))
        if half:
            # The two halves of a pair were cut apart.
            found = found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        start, half = stop, ""
        if start < end and "\ud800" <= found[-1] <= "\udbff":
            found, half = found[:-1], found[-1]
        out += characters(found, charset)
        yield


def _cut(data: bytes | bytearray, start: int, end: int) -> int:
    """Where a piece of a string ends, in front of a character or an escape."""
    if start + WINDOW >= end:
        return end
    found = inside(data, start, start + WINDOW)
    assert found is not None
    stop = found.end()
    while data[stop] & 0xC0 == 0x80:
        stop -= 1
    return stop
