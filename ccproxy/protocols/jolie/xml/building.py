"""Elements that are told one after the other, as the bytes of a sodep value.

A count stands in front of what it counts and elements of one name may stand apart, so the bytes of
an element are joined when it ends. Small ones are joined at once, of large ones only the list of
their pieces is passed on. It must never build a tree, or copy a large part more than once.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator
from struct import Struct
from typing import Any

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.sodep.tree import encoded_payload, text
from ccproxy.protocols.jolie.values import Unportable
from ccproxy.protocols.jolie.xml.payloads import NIL, UNTYPED, TextKind

SMALL = 16 * 1024
"""Bytes of an element that are joined when it ends. More pieces would be more objects, which cost
the garbage collector 300 ms at a million."""
MAX_NAMES = 2048
"""Different names of children in one element: all are written when it ends, in 3 to 6 ms."""
PIECE = 64 * 1024
"""Bytes of a piece of the result."""
LONGEST_SCALAR = 1024
"""Characters of a text that is converted to something else than a string."""

_COUNT = Struct(">i").pack
_NO_CHILDREN = bytes(4)
_NO_BLANKS = dict.fromkeys(map(ord, " \t\r\n"))

Rope = list[Any]
"""Pieces of bytes, and lists of such, in order."""


class _Vector:
    """The elements of one name so far."""

    __slots__ = ("count", "pieces", "small")

    def __init__(self) -> None:
        self.count = 0
        self.pieces: Rope = []
        self.small = bytearray()

    def add(self, element: bytes | Rope) -> None:
        self.count += 1
        if isinstance(element, bytes):
            self.small += element
            if len(self.small) < PIECE:
                return
            self.flush()
        else:
            self.flush()
            self.pieces.append(element)

    def flush(self) -> None:
        if self.small:
            self.pieces.append(self.small)
            self.small = bytearray()


class _Element:
    """One that is open; `string` is its text in UTF-8, or the bytes that its base64 stands for."""

    __slots__ = ("kind", "name", "rest", "string", "vectors")

    def __init__(self, name: str, kind: TextKind) -> None:
        self.name = name
        self.kind = kind
        self.string = bytearray()
        self.rest = ""
        self.vectors: dict[str, _Vector] = {}

    def add(self, text: str) -> None:
        """A piece of its text."""
        if not self.kind.base64:
            self.string += text.encode()
            return
        text = self.rest + text.translate(_NO_BLANKS)
        whole = len(text) - len(text) % 4
        if whole and self.rest.endswith("="):
            raise ValueError("text behind the end of base64")
        self.rest = text[whole:] or ("=" if text.endswith("=") else "")
        self.string += a2b_base64(text[:whole], strict_mode=True)

    def payload(self) -> Rope:
        """Its payload in sodep's bytes; ValueError says what was expected."""
        if self.kind.base64 and self.rest.strip("="):
            raise ValueError("base64 that is cut off")
        return payload(self.kind, self.string, bool(self.vectors))


class ValueBuilder:
    """Builds one value; the root's name does not count."""

    def __init__(self) -> None:
        self._root: bytes | Rope = b""
        self._open: list[_Element] = []

    @property
    def depth(self) -> int:
        """Elements that are open."""
        return len(self._open)

    def open(self, name: str, kind: TextKind = UNTYPED) -> None:
        """An element begins."""
        self._open.append(_Element(name, kind))

    def text(self, text: str) -> None:
        """A piece of the text of the element that is open."""
        try:
            self._open[-1].add(text)
        except ValueError as reason:
            raise self._wrong(reason) from None

    def close(self) -> None:
        """The element that is open ends."""
        one = self._open[-1]
        try:
            payload = one.payload()
        except ValueError as reason:
            raise self._wrong(reason) from None
        self._open.pop()
        self._add(one.name, _joined(payload, one.vectors))

    def leaf(self, name: str, text: str) -> None:
        """A child without children, whose payload is a string."""
        found = encoded_payload(text, "utf-8") + _NO_CHILDREN
        self._add(name, found)

    def value(self) -> Steps[Encoded]:
        """The whole value, once its root is closed."""
        out = bytearray()
        rest: Rope = [self._root]
        while rest:
            piece = rest.pop()
            if isinstance(piece, list):
                rest += reversed(piece)
                yield
                continue
            for at in range(0, len(piece), PIECE):
                out += memoryview(piece)[at : at + PIECE]
                if len(piece) > SMALL:
                    yield
        return Encoded(out, "utf-8")

    def _wrong(self, reason: ValueError) -> Unportable:
        place = "".join(f".{one.name}" for one in self._open[1:]) or "the value"
        return Unportable(f"{place}: {reason}")

    def _add(self, name: str, element: bytes | Rope) -> None:
        if not self._open:
            self._root = element
            return
        vectors = self._open[-1].vectors
        vector = vectors.get(name)
        if vector is None:
            if len(vectors) >= MAX_NAMES:
                raise Unportable(f"an element with children of more than {MAX_NAMES} names")
            vector = vectors[name] = _Vector()
        vector.add(element)


def payload(kind: TextKind, string: bytes | bytearray, beside: bool) -> Rope:
    """The payload of an element in sodep's bytes, of its text or of what its base64 stands for;
    `beside` says that it has children. ValueError says what was expected."""
    if kind.scalar is None:
        return _string(kind, string, beside)
    if len(string) > LONGEST_SCALAR and kind.strict:
        raise ValueError(f"found a text of {len(string)} bytes, expected {kind.name}")
    if len(string) > LONGEST_SCALAR:
        return _string(kind, string, beside) if kind is not NIL else [b"\0"]
    if beside and not string.strip():
        return [b"\0"]
    return [encoded_payload(kind.scalar(string.decode()), "utf-8")]


def _string(kind: TextKind, string: bytes | bytearray, beside: bool) -> Rope:
    if not string and (kind.empty is None or kind.loose and beside):
        return [b"\0"]
    if kind.loose and beside and len(string) <= LONGEST_SCALAR and not string.strip():
        return [b"\0"]
    return [(b"\4" if kind.raw else b"\1") + _COUNT(len(string)), string]


def _joined(payload: Rope, vectors: dict[str, _Vector]) -> bytes | Rope:
    """The bytes of an element, or their pieces if they are many."""
    rope: Rope = []
    run = bytearray()
    for piece in _pieces(payload, vectors):
        if isinstance(piece, list) or len(piece) > SMALL:
            rope += (run, piece)
            run = bytearray()
        else:
            run += piece
    return bytes(run) if not rope and len(run) <= SMALL else [*rope, run]


def _pieces(payload: Rope, vectors: dict[str, _Vector]) -> Iterator[Any]:
    """Everything that an element consists of, in order."""
    yield from payload
    yield _COUNT(len(vectors)) if vectors else _NO_CHILDREN
    for name, vector in vectors.items():
        yield text(name) + _COUNT(vector.count)
        yield from vector.pieces
        yield vector.small
