"""Jolie's `jsonrpc` protocol, JSON-RPC 2.0 over HTTP POST, as one form.

The resource path stands in the request target (`/!/Name`) or the header X-Jolie-ServicePath; the
original ignores both. An error object is a fault: its message the name, its data the value. What
callers may send stands in `jsonrpc.caller`. It must never take the answer to another call.
"""

from __future__ import annotations

from typing import Any

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.messages import TYPE, HttpResponse, Sending
from ccproxy.protocols.jolie.http.sides import WebForm, WebService
from ccproxy.protocols.jolie.json_values import Json, fault_of
from ccproxy.protocols.jolie.jsonrpc.caller import JsonRpcCaller
from ccproxy.protocols.jolie.jsonrpc.values import PROTOCOL, loads, params_of, read_result
from ccproxy.protocols.jolie.sodep import Upstream
from ccproxy.protocols.jolie.values import Answer, Call, Result, Unportable, io_fault


class JsonRpc(WebForm):
    """The form; see `WebForm`."""

    name = "jsonrpc"

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if JSON or a target cannot carry it."""
        body = {**PROTOCOL, "method": call.operation, "id": id}
        params = params_of(call.value)
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
        return JsonRpcCaller(self.limits, self.access)

    def service(self, upstream: Upstream | None = None) -> JsonRpcService:
        """For one connection to a service."""
        return JsonRpcService(self.limits)


class JsonRpcService(WebService):
    """One connection to a service; see `WebService`."""

    def read(self, response: HttpResponse) -> Answer | None:
        """The answer of a response object; None if its id is that of another request."""
        if response.status == 204:
            return Result(Json(None))
        status = f"HTTP status {response.status}"
        try:
            found = loads(response, self._limits.body)
        except Unportable as reason:
            return io_fault(f"{status}: {reason}")
        if not isinstance(found, dict) or not found.keys() & {"result", "error"}:
            return io_fault(f"{status}: neither result nor error")
        # Jolie 1.12 answers with the id as a string where the request had a number.
        if str(found.get("id")) != str(self._id) and found.get("id") is not None:
            self._unmatched = f"an answer to another request, id {found['id']!r:.40}"
            return None
        return _read(found)


def _read(found: dict[str, Any]) -> Answer:
    if found.get("error") is not None:
        return fault_of(found["error"]) or io_fault("an error object without message")
    return Result(read_result(found.get("result")))
