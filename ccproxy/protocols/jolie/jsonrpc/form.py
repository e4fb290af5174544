"""Jolie's `jsonrpc` protocol, JSON-RPC 2.0 over HTTP POST, as one form.

The resource path stands in the request target (`/!/Name`) or the header X-Jolie-ServicePath; the
original ignores both. An error object is a fault: its message the name, its data the value. What
callers may send stands in `jsonrpc.caller`. It must never take the answer to another call.
"""

from __future__ import annotations

from typing import Any

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.bodies import fault_at, value_at
from ccproxy.protocols.jolie.http.messages import TYPE, HttpResponse, Sending, read_text
from ccproxy.protocols.jolie.http.sides import WebForm, WebService
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.json_values import Json, JsonText, composed, fault_of, json_of
from ccproxy.protocols.jolie.jsonrpc.caller import JsonRpcCaller
from ccproxy.protocols.jolie.jsonrpc.values import (
    PROTOCOL,
    checked,
    loads,
    params_of,
    params_text,
    read_result,
)
from ccproxy.protocols.jolie.pieces import Pieces
from ccproxy.protocols.jolie.sodep import Upstream
from ccproxy.protocols.jolie.values import (
    Answer,
    Call,
    Fault,
    Result,
    Unportable,
    Value,
    io_fault,
)

_NO_MESSAGE = io_fault("an error object without message")


class JsonRpc(WebForm):
    """The form; see `WebForm`."""

    name = "jsonrpc"

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if JSON or a target cannot carry it."""
        members = {**PROTOCOL, "method": call.operation, "id": id}
        target = targets.place(self.path, call.path)
        headers = (
            ("Host", self.host or "localhost"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", TYPE),
        )
        return Sending(headers, _body(members, self.portable(call.value)), target=target, id=id)

    def caller(self) -> JsonRpcCaller:
        """For one accepted connection."""
        return JsonRpcCaller(self.limits, self.access, self.style, self.packing)

    def service(self, upstream: Upstream | None = None) -> JsonRpcService:
        """For one connection to a service."""
        return JsonRpcService(self.limits)


class JsonRpcService(WebService):
    """One connection to a service; see `WebService`."""

    def read(self, response: HttpResponse) -> Steps[Answer | None]:
        """The answer of a response object; None if its id is that of another request."""
        if response.status == 204:
            return Result(Json(None))
        status = f"HTTP status {response.status}"
        try:
            data = yield from read_text(response, self._limits.body)
            found = loads(data) if len(data) <= LARGE else (yield from _large(data))
        except Unportable as reason:
            return io_fault(f"{status}: {reason}")
        if not isinstance(found, dict) or not found.keys() & {"result", "error"}:
            return io_fault(f"{status}: neither result nor error")
        # Jolie 1.12 answers with the id as a string where the request had a number.
        if str(found.get("id")) != str(self.sent.id) and found.get("id") is not None:
            self._unmatched = f"an answer to another request, id {found['id']!r:.40}"
            return None
        return _read(found)


def _body(members: dict[str, Any], value: Value) -> bytes | Pieces:
    if isinstance(value, JsonText):
        return composed({**members, "params": params_text(value)})
    params = params_of(value)
    return joliejson.dumps(members if params is None else {**members, "params": params})


def _large(data: bytes | bytearray) -> Steps[Any]:
    """What is known of a large response object; None for another value."""
    found = yield from checked(data, (0, len(data)), ("result", "error", "id"))
    if data[found.root[0]] != ord("{"):
        return None
    made: dict[str, Any] = {}
    for name, part in found.found.items():
        value = value_at(data, part)
        if name == "error" and isinstance(value, JsonText):
            made[name] = (yield from fault_at(data, part)) or _NO_MESSAGE
        elif name == "id" and isinstance(value, JsonText):
            made[name] = "too long"
        else:
            made[name] = value if isinstance(value, JsonText) else json_of(value)
    return made


def _read(found: dict[str, Any]) -> Answer:
    error = found.get("error")
    if error is not None:
        return error if isinstance(error, Fault) else fault_of(error) or _NO_MESSAGE
    return Result(read_result(found.get("result")))
