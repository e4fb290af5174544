"""Jolie's `http` protocol with format json as one `Form`.

The operation stands in the target, the value is the JSON body, whose root is always an object; a
fault is status 500 with an error object. It must never take a fault for a value, as the original
redirector does, or a page of some proxy for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.caller import WebCaller
from ccproxy.protocols.jolie.http.client import Client
from ccproxy.protocols.jolie.http.messages import (
    TYPE,
    Limits,
    Refused,
    Request,
    Response,
    Sending,
    TooBig,
    media_type,
    text,
    unpacked,
)
from ccproxy.protocols.jolie.json_values import PAYLOAD, Json, json_of
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

CODE = -32000
"""The error code of every fault."""

_READ = frozenset({"GET", "HEAD", "DELETE"})
_METHODS = _READ | {"POST", "PUT", "PATCH"}
_EXPECTED = "expected /OPERATION or /!/RESOURCE!/OPERATION"


def root_of(value: Value) -> Any:
    """The JSON of a body: a bare payload goes under `$`, void is the empty object."""
    found = json_of(value)
    if isinstance(found, dict | list):
        return found
    return {} if found is None else {PAYLOAD: found}


def error_of(fault: Fault) -> dict[str, Any]:
    """The error object of a fault."""
    return {"message": fault.name, "code": CODE, "data": json_of(fault.value)}


def fault_of(error: Any) -> Fault | None:
    """The fault of an error object, None if it is none."""
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    return Fault(error["message"] or "IOException", Json(error.get("data")))


FORM = "application/x-www-form-urlencoded"


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
    # `curl -d` calls everything a form.
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
    """What the root of a body stands for: `{}` for void, `{"$": x}` for x."""
    if root == {}:
        return None
    if not isinstance(root, dict) or root.keys() != {PAYLOAD}:
        return root
    bare = root[PAYLOAD]
    return root if isinstance(bare, dict | list) else bare


class Token(NamedTuple):
    """What an answer needs of its request."""

    operation: str
    message: str


class Http:
    """The form. `host` and `path` are those of the service's location."""

    name = "http"
    pipelines = False

    def __init__(self, host: str = "", path: str = "/", limits: Limits | None = None) -> None:
        self.host = host
        self.path = path
        self.limits = limits or Limits()

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
        return HttpCaller(self.limits)

    def service(self) -> HttpService:
        """For one connection to a service."""
        return HttpService(self.limits)


class HttpCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def feed(self, data: bytes) -> list[Asked]:
        """The call that became whole; the next one only when it is answered."""
        found = self._server.feed(data)
        if found is None:
            return []
        if isinstance(found, Refused):
            self.refuse(found)
            return []
        try:
            return [self._asked(found)]
        except TooBig as reason:
            self._server.exceed(str(reason))
            self.refuse(Refused(413, str(reason)))
            return []

    def refuse(self, refused: Refused) -> None:
        """Respond to a request that is not read to its end."""
        self._respond(refused.status, {"error": error_of(io_fault(refused.reason))}, ())

    def answer(self, token: Token, answer: Answer) -> None:
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

    def _asked(self, request: Request) -> Asked:
        token = Token("", request.headers.get("x-jolie-messageid", ""))
        try:
            target = targets.read(request.target, request.headers)
            token = Token(target.operation, token.message)
            if request.method not in _METHODS:
                raise Unportable(f"method {request.method:.20}; expected POST")
            if not target.operation:
                raise Unportable(f"no operation in the target {request.target:.60}; {_EXPECTED}")
            value = _value(request, target, self._limits.body)
        except TooBig:
            raise
        except Unportable as reason:
            return Asked(token, io_fault(str(reason)))
        return Asked(token, Call(target.path, target.operation, value))

    def _respond(self, status: int, body: Any, headers: tuple[tuple[str, str], ...]) -> None:
        data = joliejson.dumps(body)
        self._server.respond(Sending((*headers, ("Content-Type", TYPE)), data, status))


class HttpService:
    """One connection to a service, one call at a time."""

    def __init__(self, limits: Limits) -> None:
        self._client = Client(limits)
        self._limits = limits
        self._id = 0

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._client.broken

    @property
    def closing(self) -> bool:
        """No further request."""
        return self._client.closing

    def send(self, request: Sending) -> bytes:
        """The bytes of a request."""
        self._id = request.id
        return self._client.send(request)

    def feed(self, data: bytes) -> list[Answered]:
        """The answer once it is whole."""
        return self._answered(self._client.feed(data))

    def eof(self) -> list[Answered]:
        """The answer that ends with the connection."""
        return self._answered(self._client.eof())

    def _answered(self, response: Response | None) -> list[Answered]:
        if response is None:
            return []
        return [Answered(self._id, read_answer(response, self._limits.body))]


def read_answer(response: Response, limit: int) -> Answer:
    """The answer in a response; a status of 300 or more is a fault whatever its body says."""
    try:
        value = read_body(response.headers, response.body, limit)
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


def _value(request: Request, target: targets.Target, limit: int) -> Value:
    if request.method in _READ:
        return targets.fields(target.query)
    value = read_body(request.headers, request.body, limit)
    if not target.query:
        return value
    tree = value.tree()
    return Tree(tree.payload, {**targets.fields(target.query).children, **tree.children})


def _header(text: str) -> str:
    """Text as a header can carry it; what a header cannot hold stands in the target alone."""
    if not text.isprintable() or text != text.strip():
        return ""
    return text.encode().decode("latin-1")
