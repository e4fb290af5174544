"""What cannot be carried from one protocol to another: the one table, with an example each.

A value that a form refuses is answered with a fault, in the caller's form; it is never altered.
`READ_AS` lists the spellings that are one value, so that one of them may become another.
"""

from __future__ import annotations

from typing import NamedTuple

from ccproxy.protocols.jolie.json_values import ARRAY, DEPTH, PAYLOAD, Json
from ccproxy.protocols.jolie.values import Tree, Value


class Row(NamedTuple):
    """A kind of value, an example, and the forms that refuse it."""

    what: str
    example: Value
    refused: frozenset[str]


class Same(NamedTuple):
    """Two spellings of one value: `written` arrives as `read` once it has crossed `where`."""

    written: str
    read: str
    where: str


_JSON = frozenset({"http", "jsonrpc", "cc"})
_SODEP = frozenset({"sodep"})
_TEXT = frozenset({"sodep", "http", "jsonrpc"})


def _child(name: str, *vector: Tree) -> Tree:
    return Tree(None, {name: list(vector)})


def _deep() -> list[object]:
    found: list[object] = []
    for _ in range(DEPTH):
        found = [found]
    return found


REFUSED = (
    Row("raw", Tree(b"\xff"), _JSON),
    Row("not a number", Tree(float("nan")), _JSON),
    Row("infinity", Tree(float("-inf")), _JSON),
    Row("a child named $", _child(PAYLOAD, Tree(1)), _JSON),
    Row("a child named _ beside a payload", Tree(1, {ARRAY: [Tree(2)]}), _JSON),
    Row("a child named _ beside others", Tree(None, {ARRAY: [], "a": [Tree(1)]}), _JSON),
    Row("half of a surrogate pair", Tree("\ud800"), _TEXT),
    Row("an integer of more than 64 bits", Json(1 << 63), _SODEP),
    Row("an object or array as payload", Json({PAYLOAD: [1]}), _SODEP),
    Row("a JSON member named _", Json({ARRAY: 1}), _SODEP),
    Row("JSON nested deeper than the limit", Json(_deep()), _SODEP),
)
"""Refused when it is to be written. Refused already when it is read, by every form but the one
that passes it untouched: a string outside the charset of its port, a JSON object with a name
twice, a number beyond a double, XML, a CC message with a blob."""

READ_AS = (
    Same("a long that fits 32 bits", "an int of the same number", "JSON"),
    Same("[x] as a member", "x", "sodep, and back to JSON"),
    Same("{}", "void: null, at the root of http {}", "the root of http; sodep, and back to JSON"),
    Same('{"$": x}', "x", "the root of http, and sodep"),
    Same("a decimal of more than 17 digits", "the nearest double", "any"),
    Same("a vector of one array", "[[...]]", "JSON; the original writes [...]"),
    Same("a child name twice", "the last one", "sodep, and on to JSON"),
    Same("a bare or array value as params", "the same in an array of one", "into jsonrpc"),
    Same("[null] as result", "void", "out of jsonrpc"),
    Same("fields of a query or form", "strings", "http"),
    Same("req, time, hostname, blob_hash", "the envelope, no children", "cc"),
)
"""Spellings that are one value to Jolie, whose rules these are but for the one that says so."""
