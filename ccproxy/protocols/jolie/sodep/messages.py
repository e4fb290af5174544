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
from ccproxy.protocols.jolie.values import Answer, Fault, Result, Tree, Unportable, Value, io_fault

_HEAD = Struct(">qi").pack
_LENGTH = Struct(">i").pack
_VOID = bytes(5)
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


class SodepToken(NamedTuple):
    """What of a request is needed to answer it."""

    id: int
    operation: str


def message(id: int, path: bytes, tail: bytes) -> bytes:
    """A message: its id, its resource path, the untouched rest."""
    return _HEAD(id, len(path)) + path + tail


def request_tail(operation: str, value: Value, charset: str = "utf-8") -> bytes:
    """Everything behind the path of a request; Unportable if sodep cannot carry it."""
    return b"".join((text(operation, charset), b"\0", _encoded(value, charset)))


def answer_tail(operation: str, answer: Answer, charset: str = "utf-8") -> bytes:
    """Everything behind the path of an answer; Unportable if sodep cannot carry it."""
    name = text(operation, charset)
    value = _encoded(answer.value, charset)
    if isinstance(answer, Result):
        return b"".join((name, b"\0", value))
    return b"".join((name, b"\1", text(answer.name, charset), value, _VOID))


def answer_message(token: SodepToken, answer: Answer, charset: str = "utf-8") -> bytes:
    """An answer; untouched if it comes from a sodep service of the same charset.

    One that sodep cannot carry becomes a fault that says so.
    """
    value = answer.value
    if isinstance(value, Packed) and value.charset == charset:
        frame = value.frame
        name = None if frame.fault is None else value.name
        if name == (answer.name if isinstance(answer, Fault) else None):
            return message(token.id, frame.path, frame.tail)
    try:
        tail = answer_tail(token.operation, answer, charset)
    except Unportable as reason:
        refusal = io_fault(f"sodep cannot carry the answer: {reason}")
        tail = answer_tail(token.operation, refusal, charset)
    return message(token.id, _ROOT, tail)


def _encoded(value: Value, charset: str) -> bytes | bytearray:
    if isinstance(value, Encoded) and value.charset == charset:
        return value.data
    return encode(value.tree(), charset)
