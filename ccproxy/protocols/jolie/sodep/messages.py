"""Sodep messages made of calls and answers, and values that are still in the bytes of one.

A message between two sodep ports passes as it came: new id, new path, the rest of the bytes
untouched, whatever their charset, child order or NaN bits. It must never decode a value that no
other part asks for.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ccproxy.protocols.jolie.sodep.reader import Frame
from ccproxy.protocols.jolie.sodep.tree import decode, encode, text
from ccproxy.protocols.jolie.values import (
    Answer,
    Call,
    Fault,
    Result,
    Tree,
    Unportable,
    Value,
    io_fault,
)

_HEAD = Struct(">qi").pack
_LENGTH = Struct(">i").pack
_VOID = bytes(5)
LARGE = 64 * 1024
"""Bytes of a value from which on it is written without a copy."""
_ROOT = b"/"


class Packed(Value):
    """A value still in the bytes of its message.

    `name` is the operation for a request, the name of the fault for a fault, "" for a result.
    """

    __slots__ = ("frame", "name", "charset")

    def __init__(self, frame: Frame, name: str, charset: str) -> None:
        self.frame = frame
        self.name = name
        self.charset = charset

    @property
    def size(self) -> int:
        """Bytes on the wire, with the operation in front."""
        return len(self.frame.tail)

    def tree(self) -> Tree:
        """Decoded anew each time; Unportable if a string is not in the charset of its port."""
        return decode(self.frame.tail, self.frame.value, self.charset)[0]


class Encoded(Value):
    """A value as the bytes that sodep has for it."""

    __slots__ = ("data", "charset")

    def __init__(self, data: bytes | bytearray, charset: str) -> None:
        self.data = data
        self.charset = charset

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.data)

    def tree(self) -> Tree:
        """Decoded anew each time."""
        return decode(bytes(self.data), 0, self.charset)[0]


class LargeRequest(NamedTuple):
    """The bytes of a request, which are not joined: that would copy a large value."""

    head: bytes
    body: bytes | bytearray


class SodepToken(NamedTuple):
    """What of a request is needed to answer it."""

    id: int
    operation: str


def message(id: int, path: bytes, tail: bytes) -> bytes:
    """A message: its id, its resource path, the untouched rest."""
    return _HEAD(id, len(path)) + path + tail


def request(id: int, path: bytes, call: Call, charset: str) -> bytes | LargeRequest:
    """A request with this path; Unportable if sodep cannot carry it."""
    _, operation, value = call
    body: bytes | bytearray
    if isinstance(value, Packed) and value.name == operation and value.charset == charset:
        head, body = b"", value.frame.tail
    else:
        head, body = text(operation, charset) + b"\0", _encoded(value, charset)
    if len(body) < LARGE:
        return b"".join((_HEAD(id, len(path)), path, head, body))
    return LargeRequest(_HEAD(id, len(path)) + path + head, body)


def request_tail(operation: str, value: Value, charset: str = "utf-8") -> bytes:
    """Everything behind the path of a request; Unportable if sodep cannot carry it."""
    return b"".join((text(operation, charset), b"\0", _encoded(value, charset)))


def answer_tail(operation: str, answer: Answer, charset: str = "utf-8") -> bytes:
    """Everything behind the path of an answer; Unportable if sodep cannot carry it."""
    return b"".join(_tail_pieces(operation, answer, charset))


def answer_pieces(
    token: SodepToken, answer: Answer, charset: str = "utf-8"
) -> list[bytes | memoryview]:
    """The bytes of an answer, in one piece unless it is large; untouched if it comes from a sodep
    service of the same charset.

    One that sodep cannot carry becomes a fault that says so.
    """
    value = answer.value
    if isinstance(value, Packed) and value.charset == charset:
        frame = value.frame
        name = None if frame.fault is None else value.name
        if name == (answer.name if isinstance(answer, Fault) else None):
            return _pieces(token.id, frame.path, [frame.tail])
    try:
        tail = _tail_pieces(token.operation, answer, charset)
    except Unportable as reason:
        refusal = io_fault(f"sodep cannot carry the answer: {reason}")
        tail = _tail_pieces(token.operation, refusal, charset)
    return _pieces(token.id, _ROOT, tail)


def _tail_pieces(operation: str, answer: Answer, charset: str) -> list[bytes | bytearray]:
    name = text(operation, charset)
    value = _encoded(answer.value, charset)
    if isinstance(answer, Result):
        return [name + b"\0", value]
    return [name + b"\1" + text(answer.name, charset), value, _VOID]


def _pieces(id: int, path: bytes, tail: list[bytes | bytearray]) -> list[bytes | memoryview]:
    head = _HEAD(id, len(path)) + path
    if sum(map(len, tail)) < LARGE:
        return [b"".join((head, *tail))]
    return [head, *[memoryview(one) for one in tail]]


def _encoded(value: Value, charset: str) -> bytes | bytearray:
    if isinstance(value, Encoded) and value.charset == charset:
        return value.data
    return encode(value.tree(), charset)
