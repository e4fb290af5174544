"""Sodep as one `Form`: calls and answers, of which only ids and paths are rewritten.

A message between two sodep ports passes as it came: new id, new path, the rest of the bytes
untouched, whatever their charset, child order or NaN bits. It must never decode what nobody asks
for, or invent an answer: a request gets one because somebody gave it.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from ccproxy.protocols.jolie.paths import memorable
from ccproxy.protocols.jolie.sodep.lanes import (
    Account,
    Lane,
    Passed,
    Returns,
    Trunk,
    Trunks,
    deliver,
    forward,
)
from ccproxy.protocols.jolie.sodep.limits import Limits
from ccproxy.protocols.jolie.sodep.reader import Frame, Reader, frames
from ccproxy.protocols.jolie.sodep.tree import characters, decode, encode, text
from ccproxy.protocols.jolie.values import (
    Answer,
    Answered,
    Asked,
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
_ROOT = b"/"
LANES = 4096
"""Paths with operations of which is remembered where their calls go."""


class Packed(Value):
    """A value still in the bytes of its message.

    `name` is what the message calls it: the operation of a request, the name of a fault, "" of a
    result.
    """

    __slots__ = ("frame", "name", "charset")

    def __init__(self, frame: Frame, name: str, charset: str) -> None:
        self.frame = frame
        self.name = name
        self.charset = charset

    def tree(self) -> Tree:
        """Decoded anew each time; Unportable if a string is not in the charset of its port."""
        return decode(self.frame.tail, self.frame.value, self.charset)[0]


class Token(NamedTuple):
    """What an answer needs of its request."""

    id: int
    operation: str


def message(id: int, path: bytes, tail: bytes) -> bytes:
    """A message of its id, resource path and the untouched rest."""
    return _HEAD(id, len(path)) + path + tail


def request_tail(operation: str, value: Value, charset: str = "utf-8") -> bytes:
    """All behind the path of a request; Unportable if sodep cannot carry it."""
    return text(operation, charset) + b"\0" + encode(value.tree(), charset)


def answer_tail(operation: str, answer: Answer, charset: str = "utf-8") -> bytes:
    """All behind the path of an answer; Unportable if sodep cannot carry it."""
    name = text(operation, charset)
    value = encode(answer.value.tree(), charset)
    if isinstance(answer, Result):
        return name + b"\0" + value
    return name + b"\1" + text(answer.name, charset) + value + _VOID


def answer_message(token: Token, answer: Answer, charset: str = "utf-8") -> bytes:
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


def respond(passed: Passed, answer: Answer) -> None:
    """Answer a call that went straight with something else than its service said."""
    returns, lane = passed.returns, passed.lane
    token = Token(int.from_bytes(passed.id, "big", signed=True), lane.operation)
    returns.open -= 1
    returns.parts.append(answer_message(token, answer, lane.trunks.charset))
    if not returns.due:
        returns.due = True
        returns.wake()


class Sodep:
    """The form. `charset` is that of the port, as its owner configured it."""

    name = "sodep"
    pipelines = True

    def __init__(self, limits: Limits | None = None, charset: str = "utf-8") -> None:
        self.limits = limits or Limits()
        self.charset = charset
        self.lanes: dict[bytes, Lane] = {}
        """First bytes of a call behind its id, up to its operation -> where such calls go."""

    def pass_on(self, call: Call, path: str, trunks: Trunks, account: Account) -> None:
        """Calls like this one may go straight from now on, with the path that is given.

        Nothing happens if one of the two sides would have to see more of them than that.
        """
        value = call.value
        if not isinstance(value, Packed) or not value.charset == self.charset == trunks.charset:
            return
        if len(self.lanes) >= LANES:
            self.lanes.clear()
        frame = value.frame
        head = characters(path, self.charset)
        if not memorable(call.path, call.operation):
            return
        key = _LENGTH(len(frame.path)) + frame.path + frame.tail[: frame.flag]
        lane = Lane(trunks, _LENGTH(len(head)) + head, call.operation, account)
        self.lanes[key] = lane

    def abandon(self, callers: Iterable[SodepCaller], fault: Fault) -> None:
        """Answer the calls of these callers that went straight and are still under way."""
        returns = {one.returns for one in callers}
        for trunk in {trunk for lane in self.lanes.values() for trunk in lane.trunks.usable}:
            for id, passed in tuple(trunk.open.items()):
                if passed.returns in returns and trunk.end(id) is not None:
                    respond(passed, fault)

    def request(self, call: Call, id: int) -> bytes:
        """The message; Unportable if the value has no sodep form."""
        path, operation, value = call
        where = characters(path, self.charset)
        if isinstance(value, Packed) and value.name == operation and value.charset == self.charset:
            return message(id, where, value.frame.tail)
        return message(id, where, request_tail(operation, value, self.charset))

    def caller(self) -> SodepCaller:
        """For one accepted connection."""
        return SodepCaller(self)

    def service(self, trunk: Trunk | None = None) -> SodepService:
        """For one connection to a service; calls on `trunk` are answered without being seen."""
        return SodepService(self, trunk)


class SodepCaller:
    """One connection of a caller."""

    crowded = False

    def __init__(self, form: Sodep) -> None:
        self._charset = form.charset
        self._reader = Reader(form.limits)
        self._lanes = form.lanes
        self.returns = Returns()
        self.broken = ""
        """Why the connection cannot be read on."""
        self._ended = False

    @property
    def closing(self) -> bool:
        """The caller is not read on and has all its answers."""
        return not self.returns.open and (self._ended or self.broken != "")

    @property
    def too_big(self) -> bool:
        """True if it cannot be read on because of a message that is too long."""
        return self._reader.too_big

    def feed(self, data: bytes) -> list[Asked]:
        """The calls that became whole, without those that went straight to their service."""
        if not data:
            return []
        data, ends = self._reader.cut(data)
        self.broken = self._reader.broken
        if not ends:
            return []
        start, returns = 0, self.returns
        if self._lanes:
            start = forward(data, ends, self._lanes, returns)
            if start == ends[-1]:
                return []
            ends = [end for end in ends if end > start]
        asked = [self._asked(one) for one in frames(data, ends, start)]
        returns.open += len(asked)
        return asked

    def eof(self) -> None:
        """The caller half-closed; the original still gives it its answers."""
        self._ended = True

    def leave(self, reason: str) -> None:
        """Read no further call; of one that is half here nothing can be said."""
        self._ended = True

    def answer(self, token: Token, answer: Answer) -> None:
        """Answer one call; untouched if it comes from a sodep service of the same charset."""
        self.returns.open -= 1
        self.returns.parts.append(answer_message(token, answer, self._charset))

    def out(self) -> bytes:
        """The bytes to be written since the last time."""
        return b"".join(self.returns.take())

    def _asked(self, frame: Frame) -> Asked:
        try:
            operation = frame.operation.decode(self._charset)
            path = frame.path.decode(self._charset)
        except UnicodeDecodeError:
            refusal = io_fault(f"path or operation is not {self._charset}")
            return Asked(Token(frame.id, ""), refusal)
        value = Packed(frame, operation, self._charset)
        return Asked(Token(frame.id, operation), Call(path, operation, value))


class SodepService:
    """One connection to a service."""

    closing = False

    def __init__(self, form: Sodep, trunk: Trunk | None) -> None:
        self._charset = form.charset
        self._reader = Reader(form.limits)
        self._trunk = trunk

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._reader.broken

    def send(self, request: bytes) -> bytes:
        """The bytes of a request."""
        return request

    def feed(self, data: bytes) -> list[Answered]:
        """The answers that became whole, without those to calls on the trunk."""
        data, ends = self._reader.cut(data)
        if ends and self._trunk is not None:
            data, ends = deliver(data, ends, self._trunk)
        return [Answered(one.id, self._answer(one)) for one in frames(data, ends)] if ends else []

    def eof(self) -> list[Answered]:
        """Sodep has no answer that ends with the connection."""
        return []

    def _answer(self, frame: Frame) -> Answer:
        if frame.fault is None:
            return Result(Packed(frame, "", self._charset))
        # A name outside the charset still passes untouched; no other form can encode it.
        name = frame.fault.decode(self._charset, "surrogateescape")
        return Fault(name, Packed(frame, name, self._charset))
