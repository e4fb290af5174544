"""Sodep values to trees and back, for translation; what is only passed on never comes here.

Both directions walk in a loop, so depth costs memory, not stack. It must never replace what it
cannot read: the original turns bytes outside its charset into U+FFFD and unknown tags into void;
here they are Unportable, because a receiver could not tell afterwards what was meant.
"""

from __future__ import annotations

from struct import Struct, error

from ccproxy.protocols.jolie.sodep.limits import SodepError
from ccproxy.protocols.jolie.values import Long, Payload, Tree, Unportable

CHARSETS = ("utf-8", "iso-8859-1", "iso-8859-15", "us-ascii", "windows-1252", "utf-16-be")
"""Charsets a port may be configured to; both sides must know it, the wire does not announce it."""

_INT = Struct(">i")
_DOUBLE = Struct(">d")
_LONG = Struct(">q")
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1

_Open = list[tuple[dict[str, list[Tree]], int, list[Tree], int]]


class _Cursor:
    """Reads one field after the other out of bytes that may end anywhere."""

    __slots__ = ("data", "at", "charset")

    def __init__(self, data: bytes, at: int, charset: str) -> None:
        self.data, self.at, self.charset = data, at, charset

    def count(self) -> int:
        found: int = _INT.unpack_from(self.data, self.at)[0]
        self.at += 4
        if found < 0:
            raise SodepError(f"negative count {found}")
        return found

    def raw(self) -> bytes:
        length = self.count()
        start, self.at = self.at, self.at + length
        if self.at > len(self.data):
            raise SodepError("the value is cut off")
        return self.data[start : self.at]

    def text(self) -> str:
        found = self.raw()
        try:
            return found.decode(self.charset)
        except UnicodeDecodeError as reason:
            raise Unportable(f"a string is not {self.charset}: byte {reason.start}") from None

    def payload(self) -> Payload:
        tag = self.data[self.at]
        self.at += 1
        if tag == 0:
            return None
        if tag == 1:
            return self.text()
        if tag == 2:
            return int(self._number(_INT))
        if tag == 4:
            return self.raw()
        return self._rarer(tag)

    def _rarer(self, tag: int) -> Payload:
        if tag == 3:
            return float(self._number(_DOUBLE))
        if tag == 6:
            return Long(self._number(_LONG))
        if tag != 5:
            raise SodepError(f"payload tag {tag}; expected 0 to 6")
        self.at += 1
        return self.data[self.at - 1] != 0

    def _number(self, form: Struct) -> int | float:
        found: int | float = form.unpack_from(self.data, self.at)[0]
        self.at += form.size
        return found


def decode(data: bytes | bytearray, at: int = 0, charset: str = "utf-8") -> tuple[Tree, int]:
    """The value at an offset, and where it ends. The last of two vectors of one name wins.

    SodepError if the bytes are no value, Unportable if a string is not in the charset.
    """
    cursor = _Cursor(bytes(data), at, charset)
    try:
        return _decode(cursor), cursor.at
    except (IndexError, error):
        raise SodepError("the value is cut off") from None


def _decode(cursor: _Cursor) -> Tree:
    root: list[Tree] = []
    open: _Open = []
    children: dict[str, list[Tree]] = {}
    names, vector, elements = 0, root, 1
    while True:
        if elements:
            elements -= 1
            node = Tree(cursor.payload())
            vector.append(node)
            count = cursor.count()
            if count:
                open.append((children, names, vector, elements))
                children, names, vector, elements = node.children, count, [], 0
        elif names:
            names -= 1
            vector = []
            children[cursor.text()] = vector
            elements = cursor.count()
        elif open:
            children, names, vector, elements = open.pop()
        else:
            return root[0]


def encode(tree: Tree, charset: str = "utf-8") -> bytes:
    """The bytes of a value; Unportable if a number or a string has no sodep form."""
    parts: list[bytes] = []
    rest: list[Tree | bytes] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, bytes):
            parts.append(node)
            continue
        parts.append(encoded_payload(node.payload, charset))
        parts.append(_INT.pack(len(node.children)))
        for name, vector in reversed(node.children.items()):
            rest += reversed(vector)
            rest.append(text(name, charset) + _INT.pack(len(vector)))
    return b"".join(parts)


def text(string: str, charset: str = "utf-8") -> bytes:
    """A string field: its length in bytes, then the bytes; Unportable outside the charset."""
    found = characters(string, charset)
    return _INT.pack(len(found)) + found


def characters(string: str, charset: str = "utf-8") -> bytes:
    """The bytes of a string without their length; Unportable outside the charset."""
    try:
        return string.encode(charset)
    except UnicodeEncodeError as reason:
        raise Unportable(f"{charset} has no character {string[reason.start]!a}") from None


def encoded_payload(payload: Payload, charset: str) -> bytes:
    """The tag of a payload and its bytes; Unportable if it has no sodep form."""
    if payload is None:
        return b"\0"
    if isinstance(payload, str):
        return b"\1" + text(payload, charset)
    if isinstance(payload, bool):
        return b"\5\1" if payload else b"\5\0"
    if isinstance(payload, int):
        return _integer(payload)
    if isinstance(payload, float):
        return b"\3" + _DOUBLE.pack(payload)
    return b"\4" + _INT.pack(len(payload)) + payload


def _integer(number: int) -> bytes:
    if _INT_MIN <= number <= _INT_MAX and not isinstance(number, Long):
        return b"\2" + _INT.pack(number)
    if _LONG_MIN <= number <= _LONG_MAX:
        return b"\6" + _LONG.pack(number)
    raise Unportable("an integer of more than 64 bits has no sodep form")
