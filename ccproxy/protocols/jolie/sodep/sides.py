"""Sodep as one form: calls and answers, of which only ids and paths are rewritten.

It must never decode a value that no other part asks for, or invent an answer: a request is answered
only with what `answer` was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any

from ccproxy.core.pace import Pending
from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.json_values import JsonText
from ccproxy.protocols.jolie.paths import memorable
from ccproxy.protocols.jolie.sodep.compiled import (
    AnswerBuffer,
    FastPathStats,
    FastRoute,
    InFlight,
    Upstream,
    UpstreamPool,
    deliver,
)
from ccproxy.protocols.jolie.sodep.from_json import from_json
from ccproxy.protocols.jolie.sodep.limits import SodepLimits
from ccproxy.protocols.jolie.sodep.messages import (
    Encoded,
    LargeRequest,
    Packed,
    SodepToken,
    answer_pieces,
    request,
)
from ccproxy.protocols.jolie.sodep.reader import Frame, SodepReader, frames, large_frame
from ccproxy.protocols.jolie.sodep.tree import characters
from ccproxy.protocols.jolie.values import (
    Answer,
    Answered,
    Asked,
    Call,
    CallerSide,
    Fault,
    Result,
    Value,
    io_fault,
)

try:
    from ccproxy.protocols.jolie.sodep._hot import HotCaller, HotService
except ImportError:
    from ccproxy.protocols.jolie.sodep.hot import HotCaller, HotService

_LENGTH = Struct(">i").pack
MAX_ROUTES = 4096
"""Pairs of path and operation for which the fast path is remembered."""


def respond(call: InFlight, answer: Answer) -> None:
    """Answer a call of the fast path with something else than its service said."""
    answers, route = call.answers, call.route
    token = SodepToken(int.from_bytes(call.id, "big", signed=True), route.operation)
    answers.open -= 1
    answers.parts += answer_pieces(token, answer, route.upstreams.charset)
    if not answers.due:
        answers.due = True
        answers.wake()


class Sodep:
    """The form. `charset` is that of the port, as its owner configured it."""

    name = "sodep"
    pipelines = True
    serial = False
    apart = False

    def __init__(self, limits: SodepLimits | None = None, charset: str = "utf-8") -> None:
        self.limits = limits or SodepLimits()
        self.charset = charset
        self.routes: dict[bytes, FastRoute] = {}
        """First bytes of a call behind its id, up to its operation -> where such calls go."""

    def limit(self, size: int) -> None:
        """The most bytes of a message on connections to come."""
        self.limits = SodepLimits(message=size)

    def upstreams(self, timeout: float, clock: Callable[[], float]) -> UpstreamPool:
        """Where connections to a service are made known to the fast path."""
        return UpstreamPool(self.charset, timeout, clock)

    def add_route(
        self, call: Call, path: str, upstreams: UpstreamPool, stats: FastPathStats
    ) -> None:
        """Calls like this one take the fast path from now on and get `path` on their way.

        Nothing happens if the bytes of such calls cannot pass untouched.
        """
        value = call.value
        if not isinstance(value, Packed) or not value.charset == self.charset == upstreams.charset:
            return
        if len(self.routes) >= MAX_ROUTES:
            self.routes.clear()
        frame = value.frame
        head = characters(path, self.charset)
        if not memorable(call.path, call.operation):
            return
        key = _LENGTH(len(frame.path)) + frame.path + frame.tail[: frame.flag]
        self.routes[key] = FastRoute(upstreams, _LENGTH(len(head)) + head, call.operation, stats)

    def abandon(self, callers: Iterable[CallerSide], fault: Fault) -> None:
        """Answer the calls of these callers that are in flight on the fast path."""
        buffers = {one.answers for one in callers if isinstance(one, SodepCaller)}
        for upstream in {one for route in self.routes.values() for one in route.upstreams.usable}:
            for id, call in tuple(upstream.open.items()):
                if call.answers in buffers and upstream.end(id) is not None:
                    respond(call, fault)

    def request(self, call: Call, id: int) -> bytes | LargeRequest:
        """The message; Unportable if the value has no sodep form."""
        return request(id, characters(call.path, self.charset), call, self.charset)

    def prepare(self, value: Value, token: Any = None) -> Steps[Value] | None:
        """Large JSON becomes the bytes of a sodep value."""
        if isinstance(value, JsonText) and value.size > LARGE:
            return self._encoded(value)
        return None

    def _encoded(self, value: JsonText) -> Steps[Value]:
        return Encoded((yield from from_json(value, self.charset)), self.charset)

    def caller(self) -> SodepCaller:
        """For one accepted connection."""
        return SodepCaller(self)

    def service(self, upstream: Upstream | None = None) -> SodepService:
        """For one connection to a service; `upstream` carries its calls of the fast path."""
        return SodepService(self, upstream)


class SodepCaller(HotCaller):
    """One connection of a caller."""

    __slots__ = ("form",)

    crowded = False

    def __init__(self, form: Sodep) -> None:
        self.form = form
        self.answers = AnswerBuffer()
        self.broken = ""
        """Why the connection cannot be read on."""
        self.direct = True
        """True if calls may take the fast path."""
        self._charset = form.charset
        self._reader = SodepReader(form.limits)
        self._routes = form.routes
        self._ended = False

    def take(self) -> list[bytes | memoryview]:
        """The bytes to be written since the last time, in pieces; none if nothing is."""
        return self.answers.take()

    @property
    def calls(self) -> int:
        """Calls without answer, on the fast path and off it."""
        return self.answers.open

    @property
    def wake(self) -> Callable[[], None]:
        """What is called when there is something to write, once until it is taken."""
        return self.answers.wake

    @wake.setter
    def wake(self, call: Callable[[], None]) -> None:
        self.answers.wake = call

    @property
    def closing(self) -> bool:
        """The caller is not read on and has all its answers."""
        return not self.answers.open and (self._ended or self.broken != "")

    @property
    def too_big(self) -> bool:
        """True if it cannot be read on because of a message that is too long."""
        return self._reader.too_big

    @property
    def unwelcome(self) -> bool:
        """False: any program may call."""
        return False

    def pending(self) -> Pending:
        """The message that is not whole yet."""
        reader = self._reader
        message = reader.whole + 1 if reader.held else 0
        return Pending(reader.held, message, self.answers.open > 0)

    def feed(self, data: bytes) -> list[Asked]:
        """The calls that became whole, without those that took the fast path."""
        return (self.pass_on(data) or []) if data else []

    def eof(self) -> None:
        """The caller half-closed; it still gets its answers, as from the original."""
        self._ended = True

    def drain(self, reason: str) -> None:
        """Read no further call; sodep has no way to refuse one that is half here."""
        self._ended = True

    def answer(self, token: SodepToken, answer: Answer) -> None:
        """Answer one call; untouched if it comes from a sodep service of the same charset."""
        answers = self.answers
        answers.open -= 1
        answers.parts += answer_pieces(token, answer, self._charset)
        if not answers.due:
            answers.due = True
            answers.wake()

    def _others(self, data: bytes, ends: list[int], start: int) -> list[Asked]:
        asked = [self._asked(one) for one in frames(data, ends, start)]
        self.answers.open += len(asked)
        return asked

    def _large(self, data: bytes, ends: list[int]) -> list[Asked]:
        first = self._asked(large_frame(self._reader))
        self.broken = self._reader.broken
        self.answers.open += 1
        return [first, *self._others(data, ends, 0)]

    def _asked(self, frame: Frame) -> Asked:
        try:
            operation = frame.operation.decode(self._charset)
            path = frame.path.decode(self._charset)
        except UnicodeDecodeError:
            refusal = io_fault(f"path or operation is not {self._charset}")
            return Asked(SodepToken(frame.id, ""), refusal)
        value = Packed(frame, operation, self._charset)
        return Asked(SodepToken(frame.id, operation), Call(path, operation, value))


class SodepService(HotService):
    """One connection to a service."""

    __slots__ = ()

    closing = False
    passage = None

    def __init__(self, form: Sodep, upstream: Upstream | None) -> None:
        self._charset = form.charset
        self._reader = SodepReader(form.limits)
        self._upstream = upstream

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._reader.broken

    def send(self, request: bytes | LargeRequest) -> list[bytes | memoryview]:
        """The bytes of a request."""
        if isinstance(request, bytes):
            return [request]
        return [request.head, memoryview(request.body)]

    def feed(self, data: bytes) -> list[Answered]:
        """The answers that became whole, without those to calls of the fast path."""
        return self.pass_on(data) or []

    def _others(self, data: bytes, ends: list[int]) -> list[Answered]:
        return [Answered(one.id, self._answer(one)) for one in frames(data, ends)]

    def _large(self, data: bytes, ends: list[int]) -> list[Answered]:
        upstream, frame = self._upstream, large_frame(self._reader)
        answer = self._answer(frame)
        found = [Answered(frame.id, answer)]
        if upstream is not None:
            call = upstream.end(frame.id)
            if call is not None:
                upstream.heard = call.route.upstreams.clock()
                upstream.load.time(upstream.heard - call.sent)
                respond(call, answer)
                found = []
            if ends:
                data, ends = deliver(data, ends, upstream)
        return [*found, *self._others(data, ends)]

    def eof(self) -> list[Answered]:
        """Sodep has no answer that ends with the connection."""
        return []

    def _answer(self, frame: Frame) -> Answer:
        if frame.fault is None:
            return Result(Packed(frame, "", self._charset))
        # A name outside the charset passes untouched to another sodep port; no other form has it.
        name = frame.fault.decode(self._charset, "surrogateescape")
        return Fault(name, Packed(frame, name, self._charset))
