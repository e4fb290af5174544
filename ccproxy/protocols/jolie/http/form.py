"""Jolie's `http` protocol with format json as one form.

The operation stands in the target, the value is the JSON body, whose root is always an object; a
fault is status 500 with an error object. It must never take a fault for a value, as the original
redirector does, or the error page of an HTTP proxy for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.bodies import (
    body_of,
    error_body,
    fault_at,
    read_body,
    with_fields,
)
from ccproxy.protocols.jolie.http.messages import (
    TYPE,
    BodyTooBig,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
)
from ccproxy.protocols.jolie.http.sides import WebCaller, WebForm, WebService
from ccproxy.protocols.jolie.json_check import Part
from ccproxy.protocols.jolie.json_values import Json, JsonText, fault_of
from ccproxy.protocols.jolie.sodep import Upstream
from ccproxy.protocols.jolie.values import (
    Answer,
    Asked,
    Call,
    Fault,
    Result,
    Tree,
    Unportable,
    Value,
    io_fault,
)

_READ = frozenset({"GET", "HEAD"})
_METHODS = _READ | {"POST", "PUT", "PATCH", "DELETE"}
_EXPECTED = "expected /OPERATION or /!/RESOURCE!/OPERATION"


class HttpToken(NamedTuple):
    """What of a request is needed to answer it."""

    operation: str
    message: str


class Http(WebForm):
    """The form; see `WebForm`."""

    name = "http"

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if JSON, a header or a target cannot carry it."""
        if not call.operation:
            raise Unportable("a request without operation has no target")
        target = targets.write(self.path, call.path, call.operation)
        headers = (
            ("Host", self.host or "localhost"),
            ("Accept-Encoding", "identity"),
            ("X-Jolie-Operation", _header(call.operation)),
            ("X-Jolie-ServicePath", _header(call.path)),
            ("Content-Type", TYPE),
        )
        return Sending(headers, body_of(call.value), target=target, id=id)

    def caller(self) -> HttpCaller:
        """For one accepted connection."""
        return HttpCaller(self.limits, self.access)

    def service(self, upstream: Upstream | None = None) -> HttpService:
        """For one connection to a service."""
        return HttpService(self.limits)


class HttpCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def read(self, request: HttpRequest) -> Steps[list[Asked]]:
        """The one call of a request, or the fault with which it is answered."""
        token = HttpToken("", request.headers.get("x-jolie-messageid", ""))
        try:
            target = targets.read(request.target, request.headers)
            token = HttpToken(target.operation, token.message)
            if request.method not in _METHODS:
                raise Unportable(f"method {request.method:.20}; expected POST")
            if not target.operation:
                raise Unportable(f"no operation in the target {request.target:.60}; {_EXPECTED}")
            value = yield from _value(request, target, self._limits.body)
        except BodyTooBig:
            raise
        except Unportable as reason:
            return [Asked(token, io_fault(str(reason)))]
        return [Asked(token, Call(target.path, target.operation, value))]

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end."""
        self._respond(refused.status, error_body(io_fault(refused.reason)), ())

    def write(self, token: HttpToken, answer: Answer) -> None:
        """Respond; a value that JSON cannot carry is answered with a fault."""
        headers = [("X-Jolie-Operation", _header(token.operation)), ("X-Jolie-ServicePath", "/")]
        if token.message:
            headers.append(("X-Jolie-MessageID", token.message))
        try:
            status, body = _answered(answer)
            self._respond(status, body, tuple(headers))
        except Unportable as reason:
            refusal = io_fault(f"http cannot carry the answer: {reason}")
            self._respond(*_answered(refusal), tuple(headers))

    def _respond(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
        self._server.respond(Sending((*headers, ("Content-Type", TYPE)), body, status))


class HttpService(WebService):
    """One connection to a service; see `WebService`."""

    def read(self, response: HttpResponse) -> Steps[Answer | None]:
        """The answer in a response; a status of 300 or more is a fault whatever its body says."""
        body, limit = response.body, self._limits.body
        try:
            value, members = yield from read_body(response.headers, body, limit, ("error",))
            if response.status < 300:
                return Result(value)
            fault = yield from _fault(value, members)
        except Unportable as reason:
            return io_fault(f"HTTP status {response.status}: {reason}")
        return fault or io_fault(f"HTTP status {response.status}")


def _fault(value: Value, members: Mapping[str, Part]) -> Steps[Fault | None]:
    """The fault of a body, which is its member `error`."""
    if isinstance(value, JsonText):
        return (yield from fault_at(value.data, members["error"])) if members else None
    body = value.value if isinstance(value, Json) else None
    return fault_of(body.get("error")) if isinstance(body, dict) else None


def _answered(answer: Answer) -> tuple[int, bytes]:
    if isinstance(answer, Fault):
        return 500, error_body(answer)
    return 200, body_of(answer.value)


def _value(request: HttpRequest, target: targets.RequestTarget, limit: int) -> Steps[Value]:
    if request.method in _READ:
        return targets.fields(target.query)
    names = {name for name, _ in target.query}
    value, members = yield from read_body(request.headers, request.body, limit, names)
    if not names:
        return value
    fields = targets.fields(target.query)
    if isinstance(value, JsonText):
        return with_fields(
            value, {name: vector for name, vector in fields.children.items() if name not in members}
        )
    tree = value.tree()
    return Tree(tree.payload, {**fields.children, **tree.children})


def _header(text: str) -> str:
    """Text as a header can carry it, or "": then the target alone has it."""
    if not text.isprintable() or text != text.strip():
        return ""
    return text.encode().decode("latin-1")
