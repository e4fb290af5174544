"""The bodies of Jolie's `http` protocol: values of them, and bodies of values.

A large JSON text is checked in steps and crosses as text. It must never build a value that no other
part asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.http import multipart, targets
from ccproxy.protocols.jolie.http.access import FORM
from ccproxy.protocols.jolie.http.messages import (
    JSON,
    Body,
    HttpRequest,
    HttpResponse,
    is_xml,
    media_type,
    read_text,
    text,
    unpack,
    utf8_text,
)
from ccproxy.protocols.jolie.json_check import LARGE, Part, check
from ccproxy.protocols.jolie.json_values import (
    ARRAY,
    PAYLOAD,
    Json,
    JsonText,
    composed,
    error_around,
    error_of,
    json_of,
)
from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.values import Fault, Tree, Unportable, Value
from ccproxy.protocols.jolie.xml import reading
from ccproxy.protocols.jolie.xml.characters import is_name
from ccproxy.protocols.jolie.xml.content import XmlContent
from ccproxy.protocols.jolie.xml.payloads import TextKind
from ccproxy.protocols.jolie.xml.types import FieldType, Types


def root_of(value: Value) -> Any:
    """The JSON of a body: a bare payload goes under `$`, void is the empty object."""
    found = json_of(value)
    if isinstance(found, dict | list):
        return found
    return {} if found is None else {PAYLOAD: found}


def body_of(value: Value) -> bytes | memoryview | Pieces:
    """The body of a message with this value; Unportable if JSON cannot carry it."""
    if not isinstance(value, JsonText):
        return joliejson.dumps(root_of(value))
    return value.text() if value.first in "{[" else composed({PAYLOAD: value})


def error_body(fault: Fault) -> bytes | Pieces:
    """The body of a message with this fault; Unportable if JSON cannot carry its value."""
    if isinstance(fault.value, JsonText):
        return composed({"error": error_around(fault)})
    return joliejson.dumps({"error": error_of(fault)})


def read_body(
    headers: Mapping[str, str], body: Body, limit: int, names: Collection[str] = ()
) -> Steps[tuple[Value, Mapping[str, Part]]]:
    """The value of a body by its content type, JSON unless it says otherwise; if it is a
    `JsonText`, where its members of these names are.

    Unportable for other types, and for what is broken; XML is read by `read_xml`.
    """
    body = yield from unpack(headers, body, limit)
    if media_type(headers) == multipart.MULTIPART:
        return (yield from multipart.read(headers, body)), {}
    if len(body) <= LARGE or not _is_json(headers, body):
        return _value(headers, body), {}
    data = yield from utf8_text(headers, body)
    try:
        found = yield from check(data, 0, len(data), {PAYLOAD, *names})
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None
    root, bare = found.root, found.found.get(PAYLOAD)
    if data[root[0]] == _BRACE and not found.count:
        return Json(None), {}
    if found.count == 1 and bare and data[bare[0]] not in _BRACKETS:
        return value_at(data, bare), {}
    return JsonText(data, *root), {name: found.found[name] for name in names if name in found.found}


def read_xml(
    message: HttpRequest | HttpResponse,
    limit: int,
    type: FieldType | None,
    other: TextKind,
    query: reading.Fields = (),
) -> Steps[Value]:
    """The value of a body in XML; fields that its type does not name are of the kind `other`."""
    data = yield from read_text(message, limit)
    return (yield from reading.read_value(data, type, other, query))


def fault_of_body(
    response: HttpResponse, limit: int, types: Types, operation: str
) -> Steps[Fault | None]:
    """The fault in the body of a response; None if it has none."""
    headers = response.headers
    if is_xml(headers):
        data = yield from read_text(response, limit)
        return (yield from reading.read_fault(data, types, operation)) if data else None
    value, members = yield from read_body(headers, response.body, limit, ("error",))
    if isinstance(value, JsonText):
        return (yield from fault_at(value.data, members["error"])) if members else None
    found = value.value if isinstance(value, Json) else None
    return joliejson.fault_of(found.get("error")) if isinstance(found, dict) else None


def xml_body(
    operation: str, content: XmlContent, answer: bool = False, fault: str = ""
) -> bytes | Pieces:
    """The body of a call, or of an answer; that of a fault has its name."""
    if is_name(operation):
        root = f"{operation}Response" if answer else operation
    else:
        root = "Response" if answer else "Request"
    if not fault:
        return content.element(root)
    return joined((f"<{root}>".encode(), content.fault(fault), f"</{root}>".encode()))


def answered_in_xml(headers: Mapping[str, str], body: Body) -> bool:
    """True if the answer to a request is to be XML: the request is, or it asks for nothing else."""
    accepted = headers.get("accept", "").lower()
    if is_xml(headers):
        return JSON not in accepted
    return not body and "/xml" in accepted and JSON not in accepted and "html" not in accepted


def value_at(data: bytes | bytearray, part: Part) -> Value:
    """The value of a part of a text that was checked."""
    found = JsonText(data, *part)
    return found if found.size > LARGE else Json(found.parsed())


def fault_at(data: bytes | bytearray, part: Part) -> Steps[Fault | None]:
    """The fault of an error object in a text that was checked; None if it is no error object."""
    error = value_at(data, part)
    if isinstance(error, Json):
        return joliejson.fault_of(error.value)
    found = (yield from check(data, *part, ("message", "data"))).found
    name = value_at(data, found["message"]) if "message" in found else None
    if not isinstance(name, Json) or not isinstance(name.value, str):
        return None
    value = value_at(data, found["data"]) if "data" in found else Json(None)
    return Fault(name.value or "IOException", value)


def with_fields(value: JsonText, fields: Mapping[str, list[Tree]]) -> JsonText:
    """An object with more members in front; Unportable if JSON has no form for the result."""
    if value.first != "{" or not fields.keys().isdisjoint((ARRAY, PAYLOAD)):
        raise Unportable("fields of a query beside a large body that has no names")
    if not fields:
        return value
    more = joliejson.dumps(joliejson.from_tree(Tree(None, dict(fields))))
    data = b"".join((more[:-1], b",", value.text()[1:]))
    return JsonText(data, 0, len(data))


_BRACE = ord("{")
_BRACKETS = b"{["


def _is_json(headers: Mapping[str, str], body: Body) -> bool:
    media = media_type(headers)
    if media == FORM:
        return body.lstrip()[:1] in (b"{", b"[")
    return not media or "json" in media and "ndjson" not in media


def _value(headers: Mapping[str, str], body: Body) -> Value:
    if not body:
        return Tree()
    media = media_type(headers)
    if media == "application/octet-stream":
        return Tree(bytes(body))
    found = text(headers, body)
    # `curl -d` sends every body under the content type of a form, which `forms = yes` lets in.
    if media == FORM and not found.lstrip().startswith(("{", "[")):
        return targets.fields(targets.pairs(found))
    if media in ("text/plain", "text/html"):
        return Tree(found)
    if media not in ("", FORM) and "json" not in media or "ndjson" in media:
        raise Unportable(f"content type {media!r:.60}; expected application/json")
    return _json(found)


def _json(text: str) -> Json:
    try:
        found = joliejson.loads(text)
    except ValueError as reason:
        raise Unportable(f"the body is no JSON: {reason}") from None
    return Json(_bare(found))


def _bare(root: Any) -> Any:
    """The value that the root of a body stands for: `{}` for void, `{"$": x}` for x."""
    if root == {}:
        return None
    if not isinstance(root, dict) or root.keys() != {PAYLOAD}:
        return root
    bare = root[PAYLOAD]
    return root if isinstance(bare, dict | list) else bare
