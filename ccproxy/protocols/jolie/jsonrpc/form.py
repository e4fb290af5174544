"""Jolie's `jsonrpc` protocol, JSON-RPC 2.0 over HTTP POST, as one `Form`.

The resource path stands in the request target (`/!/Name`) or the header X-Jolie-ServicePath; the
original ignores both. An error object is a fault: its message the name, its data the value. What
callers may send stands in `jsonrpc_caller`. It must never take an answer for another call's.
"""

from __future__ import annotations

from typing import Any

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.client import Client
from ccproxy.protocols.jolie.http.form import fault_of
from ccproxy.protocols.jolie.http.messages import TYPE, Limits, Response, Sending
from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.jsonrpc.caller import JsonRpcCaller
from ccproxy.protocols.jolie.jsonrpc.values import PROTOCOL, loads, params_of, read_result
from ccproxy.protocols.jolie.values import Answer, Answered, Call, Result, Unportable, io_fault


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
        return JsonRpcCaller(self.limits)

    def service(self) -> JsonRpcService:
        """For one connection to a service."""
        return JsonRpcService(self.limits)


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
            found = loads(response, self._limits.body)
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
    return Result(read_result(found.get("result")))
