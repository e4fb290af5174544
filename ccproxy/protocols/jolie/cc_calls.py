"""CC messages as calls: the fields of the JSON are the value, the answer comes back as `data`.

    {"req": "calc.Sum.sum", "x": 5, "y": 3, ...}          -> value with children x and y
    {"req": "reply.calc.Sum.sum", "data": 8, ...}         <- result
    {"req": "reply.calc.Sum.sum", "error": {...}, ...}    <- fault: message, code, data

The fields of the envelope are no children. It must never lose a blob silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ccproxy.protocols.jolie.json_values import (
    PAYLOAD,
    Json,
    error_of,
    fault_of,
    json_of,
)
from ccproxy.protocols.jolie.raw_values import without_raw
from ccproxy.protocols.jolie.values import Answer, Fault, Result, Tree, Unportable, Value, io_fault
from ccproxy.wire import cc

ENVELOPE = frozenset({"req", "time", "hostname", "blob_hash"})
"""Fields of every CC message."""

REPLY = "reply."
"""What the type of a reply has in front of the type of its call."""


def value_of(fields: Mapping[str, Any], blob: bytes | None) -> Value:
    """The value of a CC message; Unportable if it has a blob, which no value can hold."""
    if blob is not None:
        raise Unportable("the blob of a CC message has no place in a value")
    children = {name: one for name, one in fields.items() if name not in ENVELOPE}
    if not children:
        return Tree()
    return Json(children[PAYLOAD] if children.keys() == {PAYLOAD} else children)


def reply_type(type: str) -> str:
    """The type of the answer to a call of this type."""
    return REPLY + type


def fields_of(answer: Answer, base64: bool = False) -> dict[str, Any]:
    """The fields of the answer, raw as `base64` if that is asked for; what JSON cannot carry is
    answered with a fault."""
    try:
        if base64:
            answer = answer._replace(value=without_raw(answer.value))
        if isinstance(answer, Fault):
            return {"error": error_of(answer)}
        return {"data": json_of(answer.value)}
    except Unportable as reason:
        return {"error": error_of(io_fault(f"cc cannot carry the answer: {reason}"))}


def answer_of(type: str, fields: Mapping[str, Any]) -> Answer:
    """The answer that a CC reply means: the inverse of `fields_of`, and `error` as CC has it.

    A reply of a program that knows nothing of calls is a result with its fields as children.
    """
    if type == "error":
        return io_fault(str(fields.get("msg", "")))
    if type.startswith(REPLY):
        fault = fault_of(fields.get("error"))
        if fault is not None:
            return fault
        if "data" in fields:
            return Result(Json(fields["data"]))
    return Result(value_of(fields, None))


def read_reply(type: str, payload: Sequence[bytes]) -> Answer:
    """The answer in the payload of a CC reply; one that cannot be read is a fault."""
    try:
        fields = cc.decode(type, payload)
        return answer_of(type, fields)
    except ValueError as reason:
        return io_fault(f"the reply cannot be read: {reason}")


class CallCodec:
    """A call as a message: its one payload is a `Call`, an answer a `values.Answer`."""

    def __init__(self, base64: bool = False) -> None:
        """Raw becomes `base64` in the fields of a call, or has no place there."""
        self._base64 = base64

    def decode(self, type: str, payload: tuple[Any, ...]) -> dict[str, Any]:
        """The fields of the call's value; Unportable if JSON cannot carry it."""
        value = payload[0].value
        found = json_of(without_raw(value) if self._base64 else value)
        if found is None:
            return {}
        return found if isinstance(found, dict) else {PAYLOAD: found}

    def encode(self, type: str, value: Mapping[str, Any], blob: bytes | None) -> tuple[Any, ...]:
        """The answer that a reply means; ValueError if it has a blob."""
        if blob is not None:
            raise ValueError("the blob of a reply has no place in an answer")
        return (answer_of(type, value),)

    def blob(self, payload: tuple[Any, ...]) -> bytes | None:
        """No call has one."""
        return None
