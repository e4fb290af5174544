"""Jolie's `jsonrpc` protocol, JSON-RPC 2.0 over HTTP POST, as one `Form`.

The resource path stands in the request target (`/!/Name`) or the header X-Jolie-ServicePath; the
original ignores both. An error object is a fault: its message the name, its data the value. A
request without id is a notification: taken, and responded to with 204 at once. It must never give
an answer to another request than its own, and takes no batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ccproxy.wire import joliejson
from ccproxy.wire.http import targets
from ccproxy.wire.http.client import Client
from ccproxy.wire.http.form import error_of, fault_of
from ccproxy.wire.http.messages import TYPE, Limits, Request, Response, Sending, text, unpacked
from ccproxy.wire.http.server import Refused, Server
from ccproxy.wire.joliejson import Json, json_of
from ccproxy.wire.values import (
    Answer,
    Answered,
    Asked,
    Call,
    Fault,
    Result,
    Unportable,
    Value,
    io_fault,
)

UNREADABLE = -32700
"""The error code of a body that is no JSON."""
INVALID = -32600
"""The error code of JSON that is no request."""

_PROTOCOL = {"jsonrpc": "2.0"}
_ABSENT = object()


class Written(Json):
    """A value of which JSON-RPC has several spellings; between two of its ports `text` crosses."""

    __slots__ = ("text",)

    def __init__(self, value: Any, text: Any) -> None:
        super().__init__(value)
        self.text = text


class Token(NamedTuple):
    """The id to answer with, as the caller wrote it; `code` replaces that of an error."""

    id: Any
    code: int = 0


class JsonRpc:
    """The form. `host` and `path` are those of the service's location."""

    name = "jsonrpc"
    pipelines = False

    def __init__(self, host: str = "", path: str = "/", limits: Limits | None = None) -> None:
        self.host = host
        self.path = path
        self.limits = limits or Limits()

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if JSON or a target cannot carry it."""
        body = {**_PROTOCOL, "method": call.operation, "id": id}
        params = _wrapped(call.value)
        if params is not None:
            body["params"] = params
        target = targets.place(self.path, call.path)
        headers = (
            ("Host", self.host or "localhost"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", TYPE),
        )
        return Sending(headers, joliejson.dumps(body), target=target, id=id)

    def caller(self) -> JsonRpcCaller:
        """For one accepted connection."""
        return JsonRpcCaller(self.limits)

    def service(self) -> JsonRpcService:
        """For one connection to a service."""
        return JsonRpcService(self.limits)


class JsonRpcCaller:
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def __init__(self, limits: Limits) -> None:
        self._server = Server(limits)
        self._limits = limits

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._server.broken

    @property
    def closing(self) -> bool:
        """No further call is read."""
        return self._server.closing

    def feed(self, data: bytes) -> list[Asked]:
        """The calls that became whole: notifications, and one that waits for its answer."""
        calls: list[Asked] = []
        while found := self._server.feed(data):
            data = b""
            if isinstance(found, Refused):
                self._fault(Token(None, UNREADABLE), io_fault(found.reason), found.status)
                break
            asked = self._asked(found)
            calls.append(asked)
            if asked.token is not None:
                break
            self._server.respond(Sending(status=204))
        return calls

    def eof(self) -> None:
        """The caller sends no more."""
        self._server.eof()

    def answer(self, token: Token | None, answer: Answer) -> None:
        """Respond; a value that JSON cannot carry is answered with a fault."""
        if token is None:
            return
        try:
            if isinstance(answer, Fault):
                self._fault(token, answer)
            else:
                self._send({"result": _plain(answer.value), "id": token.id, **_PROTOCOL})
        except Unportable as reason:
            self._fault(token, io_fault(f"jsonrpc cannot carry the answer: {reason}"))

    def out(self) -> bytes:
        """The bytes to be written since the last time."""
        return self._server.out()

    def _fault(self, token: Token, fault: Fault, status: int = 200) -> None:
        error = error_of(fault)
        error["code"] = token.code or error["code"]
        self._send({"error": error, "id": token.id, **_PROTOCOL}, status)

    def _send(self, body: dict[str, Any], status: int = 200) -> None:
        data = joliejson.dumps(body)
        self._server.respond(Sending((("Content-Type", TYPE),), data, status))

    def _asked(self, request: Request) -> Asked:
        try:
            if request.method != "POST":
                raise Unportable(f"method {request.method:.20}; expected POST")
            found = _loads(request, self._limits.body)
        except Unportable as reason:
            return Asked(Token(None, UNREADABLE), io_fault(str(reason)))
        if not isinstance(found, dict):
            return _invalid(None, "a batch or a bare value; expected one request object")
        id = found.get("id", _ABSENT)
        if not _answerable(id):
            return _invalid(None, "the id is no number and no string of whole characters")
        return self._call(request, found, id)

    def _call(self, request: Request, found: dict[str, Any], id: Any) -> Asked:
        token = None if id is _ABSENT else Token(id)
        operation = found.get("method")
        if not isinstance(operation, str):
            return _invalid(None if token is None else id, "no method; expected its name as text")
        try:
            path = targets.resource(request.target, request.headers)
            return Asked(token, Call(path, operation, _params(found.get("params"))))
        except Unportable as reason:
            return Asked(token, io_fault(str(reason)))


class JsonRpcService:
    """One connection to a service, one call at a time."""

    def __init__(self, limits: Limits) -> None:
        self._client = Client(limits)
        self._limits = limits
        self._id = 0
        self._stray = ""

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._client.broken or self._stray

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
        answer = self._answer(response)
        return [] if answer is None else [Answered(self._id, answer)]

    def _answer(self, response: Response) -> Answer | None:
        if response.status == 204:
            return Result(Json(None))
        status = f"HTTP status {response.status}"
        try:
            found = _loads(response, self._limits.body)
        except Unportable as reason:
            return io_fault(f"{status}: {reason}")
        if not isinstance(found, dict) or not found.keys() & {"result", "error"}:
            return io_fault(f"{status}: neither result nor error")
        # Jolie 1.12 answers the number of a request as a string.
        if str(found.get("id")) != str(self._id) and found.get("id") is not None:
            self._stray = f"an answer to another request, id {found['id']!r:.40}"
            return None
        return _read(found)


def _read(found: dict[str, Any]) -> Answer:
    if found.get("error") is not None:
        return fault_of(found["error"]) or io_fault("an error object without message")
    result = found.get("result")
    # Jolie writes void so when it does not know the type of the answer.
    return Result(Written(None if result == [None] else result, result))


def _params(params: Any) -> Value:
    """Several clients put one value into an array, because the standard has no bare params."""
    if isinstance(params, list) and len(params) < 2:
        return Written(params[0] if params else None, params)
    return Written(params, params)


def _wrapped(value: Value) -> Any:
    if isinstance(value, Written):
        return value.text
    found = json_of(value)
    return found if found is None or isinstance(found, dict) else [found]


def _plain(value: Value) -> Any:
    return value.text if isinstance(value, Written) else json_of(value)


def _loads(message: Request | Response, limit: int) -> Any:
    body = unpacked(message.headers, message.body, limit)
    try:
        return joliejson.loads(text(message.headers, body))
    except Unportable:
        raise
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None


def _answerable(id: Any) -> bool:
    """True for an id that an answer can carry."""
    if isinstance(id, str):
        return not any("\ud800" <= one <= "\udfff" for one in id)
    return not isinstance(id, dict | list | bool)


def _invalid(id: Any, reason: str) -> Asked:
    return Asked(Token(id, INVALID), io_fault(reason))
