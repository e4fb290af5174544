"""The contents of JSON-RPC objects in both directions: params, results, bodies. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http.bodies import value_at
from ccproxy.protocols.jolie.json_check import CheckedText, Part, check
from ccproxy.protocols.jolie.json_values import Json, JsonText, json_of
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
    if isinstance(params, JsonText):
        return params
    if isinstance(params, list) and len(params) < 2:
        return Written(params[0] if params else None, params)
    return Written(params, params)


def params_of(value: Value) -> Any:
    """The params of a request; None means that they are left out."""
    if isinstance(value, Written):
        return value.text
    found = json_of(value)
    return found if found is None or isinstance(found, dict) else [found]


def params_text(value: JsonText) -> bytes | memoryview:
    """As `params_of`, for a value that crosses as text."""
    if value.spelled is not None:
        return result_text(value)
    return value.text() if value.first == "{" else b"[%b]" % bytes(value.text())


def result_text(value: JsonText) -> memoryview:
    """As `result_of`, for a value that crosses as text."""
    start, end = value.spelled or (value.start, value.end)
    return memoryview(value.data)[start:end]


def params_at(data: bytes | bytearray, part: Part) -> Steps[Any]:
    """The params in a part of a text that was checked, parsed or as a `JsonText`."""
    found = value_at(data, part)
    if not isinstance(found, JsonText):
        return json_of(found)
    if found.first == "[":
        inside = yield from check(data, *part, most=2)
        if not inside.count:
            return []
        if inside.count == 1:
            return JsonText(data, *inside.parts[0], spelled=part)
    return JsonText(data, *part, spelled=part)


def read_result(result: Any) -> Value:
    """The value of a result; Jolie writes void as `[null]` if the type of the answer is unknown."""
    if isinstance(result, JsonText):
        return result
    return Written(None if result == [None] else result, result)


def result_of(value: Value) -> Any:
    """The result of a response."""
    return value.text if isinstance(value, Written) else json_of(value)


def loads(data: bytes | bytearray) -> Any:
    """The JSON of a body; Unportable if it is not JSON."""
    try:
        return joliejson.loads(data.decode())
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None


def checked(
    data: bytes | bytearray, part: Part, names: Collection[str], most: int = 0
) -> Steps[CheckedText]:
    """The parts of a large body; Unportable if it is not JSON."""
    try:
        return (yield from check(data, *part, names, most))
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None
