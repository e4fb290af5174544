"""The contents of JSON-RPC objects in both directions: params, results, bodies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http.messages import HttpRequest, HttpResponse, text, unpacked
from ccproxy.protocols.jolie.json_values import Json, json_of
from ccproxy.protocols.jolie.values import Unportable, Value

PROTOCOL: Mapping[str, str] = {"jsonrpc": "2.0"}
"""The member that every object of JSON-RPC has."""


class Written(Json):
    """A value with several spellings in JSON-RPC; between two jsonrpc ports `text` crosses."""

    __slots__ = ("text",)

    def __init__(self, value: Any, text: Any) -> None:
        super().__init__(value)
        self.text = text


def read_params(params: Any) -> Value:
    """The value of params; clients write a bare value, which the standard lacks, as `[value]`."""
    if isinstance(params, list) and len(params) < 2:
        return Written(params[0] if params else None, params)
    return Written(params, params)


def params_of(value: Value) -> Any:
    """The params of a request; None means that they are left out."""
    if isinstance(value, Written):
        return value.text
    found = json_of(value)
    return found if found is None or isinstance(found, dict) else [found]


def read_result(result: Any) -> Value:
    """The value of a result; Jolie writes void as `[null]` if the type of the answer is unknown."""
    return Written(None if result == [None] else result, result)


def result_of(value: Value) -> Any:
    """The result of a response."""
    return value.text if isinstance(value, Written) else json_of(value)


def loads(message: HttpRequest | HttpResponse, limit: int) -> Any:
    """The JSON of a body; Unportable if it is not JSON, BodyTooBig beyond `limit` bytes."""
    body = unpacked(message.headers, message.body, limit)
    try:
        return joliejson.loads(text(message.headers, body))
    except Unportable:
        raise
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None
