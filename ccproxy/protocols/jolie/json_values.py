"""JSON as Jolie maps it to values: `Json` is a value that came as JSON and goes on as JSON.

    {"$": 8, "a": [1, 2], "b": {"c": null}}    payload 8, a vector of two, a child with a void child

An array inside an array, or at the root, is a node whose only child vector is named `_`. Between
http and jsonrpc the JSON itself crosses, so that `[1]` does not become `1`; only towards a tree
are those two the same. It must never write what reads back as something else (Unportable), follow
the depth of a peer's text without a limit, or take a JSON number for another one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.values import (
    MAX_NODES,
    Fault,
    Long,
    Payload,
    Tree,
    Unportable,
    Value,
    walk,
)

DEPTH = 256
"""Values inside each other; more is Unportable."""

NODES = MAX_NODES
"""Objects and arrays in one JSON text, values in one tree; more is refused."""

PAYLOAD = "$"
"""The key of a payload beside children."""
ARRAY = "_"
"""The child that stands for an array where a vector cannot."""

FAULT_CODE = -32000
"""The error code of every fault."""

_LONG = 1 << 63


class Json(Value):
    """A value as parsed JSON: None, bool, int, float, str, list or dict of these."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def tree(self) -> Tree:
        """The value as Jolie reads it; Unportable if it names something no tree has."""
        return to_tree(self.value)


class JsonText(Value):
    """A value as a part of a JSON text in UTF-8 that was checked by the rules of `loads`.

    `spelled` is the part that a protocol writes again if it is another spelling of the value.
    """

    __slots__ = ("data", "start", "end", "spelled")

    def __init__(
        self,
        data: bytes | bytearray,
        start: int,
        end: int,
        spelled: tuple[int, int] | None = None,
    ) -> None:
        self.data, self.start, self.end = data, start, end
        self.spelled = spelled

    @property
    def size(self) -> int:
        """Bytes of its text."""
        return self.end - self.start

    @property
    def first(self) -> str:
        """The character that tells what it is: a brace, a bracket, a quote, a digit, a letter."""
        return chr(self.data[self.start])

    def text(self) -> memoryview:
        """Its text."""
        return memoryview(self.data)[self.start : self.end]

    def parsed(self) -> Any:
        """As parsed JSON, made anew each time: for handlers that look into it."""
        return loads(str(self.text(), "utf-8"))

    def tree(self) -> Tree:
        """As `Json.tree`, made anew each time."""
        return to_tree(self.parsed())


def json_of(value: Value) -> Any:
    """The JSON of a value of any form; Unportable if JSON cannot carry it."""
    if isinstance(value, JsonText):
        return value.parsed()
    return value.value if isinstance(value, Json) else from_tree(value.tree())


def to_tree(value: Any) -> Tree:
    """The tree of parsed JSON; Unportable for what sodep and Jolie have no form for."""
    root = Tree()
    rest: list[tuple[Tree, Any, int]] = [(root, value, 1)]
    while rest:
        node, found, depth = rest.pop()
        if depth > DEPTH or len(rest) > NODES:
            raise Unportable(f"JSON nested deeper than {DEPTH} or of more than {NODES} values")
        if isinstance(found, dict):
            _object(node, found, depth, rest)
        elif isinstance(found, list):
            node.children[ARRAY] = _vector(found, depth, rest)
        else:
            node.payload = _payload(found)
    return root


def from_tree(tree: Tree) -> Any:
    """The JSON of a tree; Unportable for raw, NaN, infinity and names JSON needs for itself."""
    root: list[Any] = [None]
    rest: list[tuple[Any, Any, Tree, int]] = [(root, 0, tree, 1)]
    while rest:
        where, key, node, depth = rest.pop()
        if depth > DEPTH:
            raise Unportable(f"a value nested deeper than {DEPTH}")
        try:
            payload = _scalar(node.payload)
        except Unportable as reason:
            place = next(place for place, one in walk(tree) if one is node)
            raise Unportable(f"{place or 'the value'}: {reason}") from None
        if not node.children:
            where[key] = payload
        elif ARRAY in node.children:
            where[key] = _array(node, depth, rest)
        else:
            made = where[key] = {} if payload is None else {PAYLOAD: payload}
            _members(made, node, depth, rest)
    return root[0]


def loads(text: str) -> Any:
    """Parse JSON; ValueError for what is none, has a name twice, or a number beyond a double."""
    # An empty object takes twenty times the memory of its text.
    if text.count("{") + text.count("[") > NODES:
        raise ValueError(f"JSON of more than {NODES} objects and arrays")
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_float=_double, parse_constant=_no_constant
        )
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def dumps(value: Any) -> bytes:
    """JSON text in UTF-8; Unportable if it has no such form."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:
        raise Unportable("a string holds half of a surrogate pair") from None
    except (TypeError, ValueError, RecursionError) as reason:
        raise Unportable(f"JSON cannot carry it: {reason}") from None


def composed(members: Mapping[str, Any]) -> bytes | Pieces:
    """JSON text of an object some of whose members are text already, or such objects."""
    parts: list[bytes | memoryview | Pieces] = []
    for name, value in members.items():
        parts += b"," if parts else b"{", dumps(name), b":", _composed(value)
    return joined((*parts, b"}"))


def error_of(fault: Fault) -> dict[str, Any]:
    """The error object of a fault."""
    return {"message": fault.name, "code": FAULT_CODE, "data": json_of(fault.value)}


def error_around(fault: Fault) -> dict[str, Any]:
    """The error object of a fault whose value is a `JsonText`, for `composed`."""
    return {"message": fault.name, "code": FAULT_CODE, "data": fault.value}


def fault_of(error: Any) -> Fault | None:
    """The fault of an error object; None if it is no error object."""
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    return Fault(error["message"] or "IOException", Json(error.get("data")))


def _composed(value: Any) -> bytes | memoryview | Pieces:
    if isinstance(value, JsonText):
        return value.text()
    if isinstance(value, bytes | memoryview | Pieces):
        return value
    return composed(value) if isinstance(value, dict) else dumps(value)


def _object(node: Tree, found: dict[str, Any], depth: int, rest: list[Any]) -> None:
    for name, value in found.items():
        if name == ARRAY:
            raise Unportable(f"the name {ARRAY!r} stands for an array, not for a child")
        if name == PAYLOAD:
            if isinstance(value, dict | list):
                raise Unportable(f"{PAYLOAD!r} is a payload; it holds an object or array")
            node.payload = _payload(value)
        elif isinstance(value, list):
            node.children[name] = _vector(value, depth, rest)
        else:
            node.children[name] = _vector([value], depth, rest)


def _vector(values: list[Any], depth: int, rest: list[Any]) -> list[Tree]:
    vector = [Tree() for _ in values]
    rest += [(node, value, depth + 1) for node, value in zip(vector, values, strict=True)]
    return vector


def _payload(value: Any) -> Payload:
    if isinstance(value, int) and not -_LONG <= value < _LONG:
        raise Unportable("an integer of more than 64 bits")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise Unportable(f"a {type(value).__name__} has no form in JSON")


def _scalar(payload: Payload) -> Any:
    if isinstance(payload, bytes):
        raise Unportable("JSON has no form for raw")
    if isinstance(payload, float) and not math.isfinite(payload):
        raise Unportable(f"JSON has no form for {payload}")
    return int(payload) if isinstance(payload, Long) else payload


def _members(made: dict[str, Any], node: Tree, depth: int, rest: list[Any]) -> None:
    for name, vector in node.children.items():
        if name == PAYLOAD:
            raise Unportable(f"JSON needs the name {PAYLOAD!r} for payloads")
        if len(vector) == 1 and ARRAY not in vector[0].children:
            made[name] = None
            rest.append((made, name, vector[0], depth + 1))
        else:
            made[name] = _elements(vector, depth, rest)


def _array(node: Tree, depth: int, rest: list[Any]) -> list[Any]:
    if node.payload is not None or len(node.children) > 1:
        raise Unportable(f"JSON has no form for {ARRAY!r} beside a payload or other children")
    return _elements(node.children[ARRAY], depth, rest)


def _elements(vector: list[Tree], depth: int, rest: list[Any]) -> list[Any]:
    made: list[Any] = [None] * len(vector)
    rest += [(made, index, one, depth + 1) for index, one in enumerate(vector)]
    return made


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _double(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is beyond a double")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
