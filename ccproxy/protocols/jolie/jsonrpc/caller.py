"""The side of JSON-RPC that answers: one request of an HTTP POST, or a batch of them.

    one request           its response          a notification        204, no body
    a batch               an array of responses, in the order of its requests
    a batch without ids   204, no body
    not JSON              error -32700, id null
    not a request, a batch of none or of more than BATCH       error -32600, id null
    a batch with more than INVALID_REQUESTS of what is none    the same, and nothing of it is called

A fault is an error object: its name the message, its value the data, -32000 the code. It must never
answer another request than the one that was asked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.bodies import value_at
from ccproxy.protocols.jolie.http.messages import (
    TYPE,
    BodyTooBig,
    HttpRequest,
    RefusedRequest,
    Sending,
    read_text,
)
from ccproxy.protocols.jolie.http.sides import WebCaller
from ccproxy.protocols.jolie.json_check import LARGE, CheckedText
from ccproxy.protocols.jolie.json_values import (
    Json,
    JsonText,
    composed,
    error_around,
    error_of,
    json_of,
)
from ccproxy.protocols.jolie.jsonrpc.values import (
    PROTOCOL,
    checked,
    loads,
    params_at,
    read_params,
    result_of,
    result_text,
)
from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.raw_values import without_raw
from ccproxy.protocols.jolie.values import Answer, Asked, Call, Fault, Unportable, io_fault

BATCH = 1000
"""Requests in one batch, at most."""
INVALID_REQUESTS = 10
"""Invalid requests in one batch, at most: two bytes of one cost an answer of 120."""
UNREADABLE = -32700
"""The error code of a body that is no JSON."""
INVALID = -32600
"""The error code of JSON that is no request."""
MESSAGES = {UNREADABLE: "Parse error", INVALID: "Invalid Request"}
"""Their messages in the standard; no operation was called, so there is no fault to name."""

_ABSENT = object()
_MEMBERS = ("jsonrpc", "method", "id", "params")
_WRONG_SIZE = f"a batch of {{}}; expected 1 to {BATCH} requests"
_NO_PARSE_ERROR = (403, 413, 415, 421, 503)


class _LargeBatch(Unportable):
    """A batch of more than `BATCH` requests."""


class Post:
    """The answers to one POST, until it has all of them."""

    __slots__ = ("batch", "status", "_answers", "_due", "_size")

    def __init__(self, batch: bool = False, status: int = 200) -> None:
        self.batch = batch
        self.status = status
        self._answers: list[bytes | Pieces] = []
        self._due = 0
        self._size = 0

    @property
    def due(self) -> int:
        """Answers that are still to come."""
        return self._due

    def token(self, id: Any, code: int = 0) -> JsonRpcToken:
        """A place among the answers."""
        self._answers.append(b"")
        self._due += 1
        return JsonRpcToken(id, code, len(self._answers) - 1, self)

    def fits(self, body: bytes | Pieces, limit: int) -> bool:
        """True if a batch with this answer is not too large; a single answer may have any size."""
        return not self.batch or self._size + len(body) <= limit

    def put(self, place: int, body: bytes | Pieces) -> None:
        """Take one answer."""
        self._answers[place] = body
        self._size += len(body)
        self._due -= 1

    def body(self) -> bytes | Pieces:
        """All answers, as the body of the response."""
        if not self.batch:
            return self._answers[0]
        apart = [part for one in self._answers for part in (b",", one)]
        return joined((b"[", *apart[1:], b"]"))


class JsonRpcToken(NamedTuple):
    """The id to answer with, as the caller wrote it; `code` replaces that of an error."""

    id: Any
    code: int
    place: int
    post: Post


class JsonRpcCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next calls."""

    def read(self, request: HttpRequest) -> Steps[list[Asked]]:
        """The calls of one POST; one of notifications alone is responded to at once."""
        post, asked = yield from _read(request, self._limits.body)
        if not post.due:
            self.respond(Sending(status=204))
        return asked

    def write(self, token: JsonRpcToken | None, answer: Answer) -> None:
        """Take an answer, and respond if it was the last that a POST waited for."""
        if token is None:
            return
        post, limit = token.post, self._limits.body
        if self.style.base64:
            answer = answer._replace(value=without_raw(answer.value))
        body = _body(token, answer)
        if not post.fits(body, limit):
            body = _body(token, io_fault(f"the answers of the batch have more than {limit} bytes"))
        post.put(token.place, body)
        if not post.due:
            self._respond(post)

    def _respond(self, post: Post) -> None:
        headers = [("Content-Type", TYPE)]
        if post.status == 405:
            headers.append(("Allow", "POST"))
        self.respond(Sending(tuple(headers), post.body(), post.status))

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end; the connection ends."""
        code = 0 if refused.status in _NO_PARSE_ERROR else UNREADABLE
        self.write(Post(status=refused.status).token(None, code), io_fault(refused.reason))


def _read(request: HttpRequest, limit: int) -> Steps[tuple[Post, list[Asked]]]:
    """The requests of one POST, a fault in place of each that is invalid; or BodyTooBig."""
    if request.method != "POST":
        return _refused(405, INVALID, f"method {request.method:.20}; expected POST")
    try:
        data = yield from read_text(request, limit)
        found = loads(data) if len(data) <= LARGE else (yield from _large(data))
    except BodyTooBig:
        raise
    except _LargeBatch as reason:
        return _refused(200, INVALID, str(reason))
    except Unportable as reason:
        return _refused(200, UNREADABLE, str(reason))
    if isinstance(found, list) and not 0 < len(found) <= BATCH:
        return _refused(200, INVALID, _WRONG_SIZE.format(len(found)))
    post = Post(batch=isinstance(found, list))
    where = _where(request)
    asked, invalid = [], 0
    for one in found if post.batch else [found]:
        asked.append(_asked(post, one, where))
        invalid += asked[-1].token is not None and asked[-1].token.code == INVALID
        if invalid > INVALID_REQUESTS:
            what = f"a batch with more than {INVALID_REQUESTS} invalid requests"
            return _refused(200, INVALID, what)
    return post, asked


def _large(data: bytes | bytearray) -> Steps[Any]:
    """The JSON of a large body, whose large params are `JsonText`."""
    root = yield from checked(data, (0, len(data)), _MEMBERS, most=BATCH + 1)
    if data[root.root[0]] != ord("["):
        return (yield from _members(data, root))
    if root.count > BATCH:
        raise _LargeBatch(_WRONG_SIZE.format(root.count))
    batch = []
    for part in root.parts:
        yield
        found = value_at(data, part)
        if isinstance(found, Json):
            batch.append(found.value)
        else:
            batch.append((yield from _members(data, (yield from checked(data, part, _MEMBERS)))))
    return batch


def _members(data: bytes | bytearray, object: CheckedText) -> Steps[Any]:
    """What is known of a request object, and anything that is none for another value."""
    if data[object.root[0]] != ord("{"):
        return None
    made = {}
    for name, part in object.found.items():
        if name == "params":
            made[name] = yield from params_at(data, part)
        else:
            found = value_at(data, part)
            # An id or a method of this size is none.
            made[name] = [] if isinstance(found, JsonText) else json_of(found)
    return made


def _refused(status: int, code: int, reason: str) -> tuple[Post, list[Asked]]:
    post = Post(status=status)
    return post, [Asked(post.token(None, code), io_fault(reason))]


def _where(request: HttpRequest) -> str | Fault:
    """The resource path; the original takes none from anywhere."""
    try:
        return targets.resource(request.target, request.headers)
    except Unportable as reason:
        return io_fault(str(reason))


def _asked(post: Post, found: Any, where: str | Fault) -> Asked:
    """One request object."""
    if not isinstance(found, dict):
        return _invalid(post, None, "a bare value; expected a request object")
    id = found.get("id", _ABSENT)
    if not _answerable(id):
        return _invalid(post, None, "the id is no number and no string of whole characters")
    operation = found.get("method")
    if not isinstance(operation, str):
        known = None if id is _ABSENT else id
        return _invalid(post, known, "no method; expected its name as text")
    token = None if id is _ABSENT else post.token(id)
    if isinstance(where, Fault):
        return Asked(token, where)
    return Asked(token, Call(where, operation, read_params(found.get("params"))))


def _invalid(post: Post, id: Any, reason: str) -> Asked:
    return Asked(post.token(id, INVALID), io_fault(reason))


def _answerable(id: Any) -> bool:
    """True for an id that an answer can carry."""
    if isinstance(id, str):
        return not any("\ud800" <= one <= "\udfff" for one in id)
    return not isinstance(id, dict | list | bool)


def _body(token: JsonRpcToken, answer: Answer) -> bytes | Pieces:
    """A response object; a value that JSON cannot carry is answered with a fault."""
    try:
        if isinstance(answer, Fault):
            return _error(token, answer)
        if isinstance(answer.value, JsonText):
            return composed({"result": result_text(answer.value), "id": token.id, **PROTOCOL})
        return joliejson.dumps({"result": result_of(answer.value), "id": token.id, **PROTOCOL})
    except Unportable as reason:
        return _error(token, io_fault(f"jsonrpc cannot carry the answer: {reason}"))


def _error(token: JsonRpcToken, fault: Fault) -> bytes | Pieces:
    if isinstance(fault.value, JsonText):
        return composed({"error": error_around(fault), "id": token.id, **PROTOCOL})
    error = error_of(fault)
    if token.code:
        error |= {"code": token.code, "message": MESSAGES[token.code]}
    return joliejson.dumps({"error": error, "id": token.id, **PROTOCOL})
