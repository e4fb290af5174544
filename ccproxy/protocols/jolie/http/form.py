"""Jolie's `http` protocol with format json as one form.

The operation stands in the target, the value is the JSON body, whose root is always an object; a
fault is status 500 with an error object. It must never take a fault for a value, as the original
redirector does, or the error page of an HTTP proxy for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.access import FORM
from ccproxy.protocols.jolie.http.messages import (
    TYPE,
    BodyTooBig,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
    media_type,
    text,
    unpacked,
)
from ccproxy.protocols.jolie.http.sides import WebCaller, WebForm, WebService
from ccproxy.protocols.jolie.json_values import PAYLOAD, Json, error_of, fault_of, json_of
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


def root_of(value: Value) -> Any:
    """The JSON of a body: a bare payload goes under `$`, void is the empty object."""
    found = json_of(value)
    if isinstance(found, dict | list):
        return found
    return {} if found is None else {PAYLOAD: found}


def read_body(headers: Mapping[str, str], body: bytes, limit: int) -> Value:
    """The value of a body by its content type, JSON unless it says otherwise.

    Unportable for types that need declared types to be read (XML), and for what is broken.
    """
    body = unpacked(headers, body, limit)
    if not body:
        return Tree()
    media = media_type(headers)
    if media == "application/octet-stream":
        return Tree(body)
    found = text(headers, body)
    # `curl -d` sends every body under the content type of a form, which `forms = yes` lets in.
    if media == FORM and not found.lstrip().startswith(("{", "[")):
        return targets.fields(targets.pairs(found))
    if media in ("text/plain", "text/html"):
        return Tree(found)
    if media not in ("", FORM) and "json" not in media or "ndjson" in media:
        raise Unportable(f"content type {media!r:.60}; expected application/json")
    return _json(found)


def _json(text: str) -> Json:
    try:
        found = joliejson.loads(text)
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None
    return Json(_bare(found))


def _bare(root: Any) -> Any:
    """The value that the root of a body stands for: `{}` for void, `{"$": x}` for x."""
    if root == {}:
        return None
    if not isinstance(root, dict) or root.keys() != {PAYLOAD}:
        return root
    bare = root[PAYLOAD]
    return root if isinstance(bare, dict | list) else bare


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
        return Sending(headers, joliejson.dumps(root_of(call.value)), target=target, id=id)

    def caller(self) -> HttpCaller:
        """For one accepted connection."""
        return HttpCaller(self.limits, self.access)

    def service(self, upstream: Upstream | None = None) -> HttpService:
        """For one connection to a service."""
        return HttpService(self.limits)


class HttpCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def read(self, request: HttpRequest) -> list[Asked]:
        """The one call of a request, or the fault with which it is answered."""
        token = HttpToken("", request.headers.get("x-jolie-messageid", ""))
        try:
            target = targets.read(request.target, request.headers)
            token = HttpToken(target.operation, token.message)
            if request.method not in _METHODS:
                raise Unportable(f"method {request.method:.20}; expected POST")
            if not target.operation:
                raise Unportable(f"no operation in the target {request.target:.60}; {_EXPECTED}")
            value = _value(request, target, self._limits.body)
        except BodyTooBig:
            raise
        except Unportable as reason:
            return [Asked(token, io_fault(str(reason)))]
        return [Asked(token, Call(target.path, target.operation, value))]

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end."""
        self._respond(refused.status, {"error": error_of(io_fault(refused.reason))}, ())

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

    def _respond(self, status: int, body: Any, headers: tuple[tuple[str, str], ...]) -> None:
        data = joliejson.dumps(body)
        self._server.respond(Sending((*headers, ("Content-Type", TYPE)), data, status))


class HttpService(WebService):
    """One connection to a service; see `WebService`."""

    def read(self, response: HttpResponse) -> Answer:
        """The answer in a response; a status of 300 or more is a fault whatever its body says."""
        try:
            value = read_body(response.headers, response.body, self._limits.body)
        except Unportable as reason:
            return io_fault(f"HTTP status {response.status}: {reason}")
        if response.status < 300:
            return Result(value)
        body = value.value if isinstance(value, Json) else None
        fault = fault_of(body.get("error")) if isinstance(body, dict) else None
        return fault or io_fault(f"HTTP status {response.status}")


def _answered(answer: Answer) -> tuple[int, Any]:
    if isinstance(answer, Fault):
        return 500, {"error": error_of(answer)}
    return 200, root_of(answer.value)


def _value(request: HttpRequest, target: targets.RequestTarget, limit: int) -> Value:
    if request.method in _READ:
        return targets.fields(target.query)
    value = read_body(request.headers, request.body, limit)
    if not target.query:
        return value
    tree = value.tree()
    return Tree(tree.payload, {**targets.fields(target.query).children, **tree.children})


def _header(text: str) -> str:
    """Text as a header can carry it, or "": then the target alone has it."""
    if not text.isprintable() or text != text.strip():
        return ""
    return text.encode().decode("latin-1")
