"""SOAP 1.1 envelopes: what stands in one, and one around a value or a fault. Pure.

    <Envelope><Body><sum>..</sum></Body></Envelope>      the operation and its value
    ..<Body><Fault>..<detail><Name>..                    a fault, its name and its value

An element says its type (`xsi:type`), that it is void (`xsi:nil`), or nothing. Headers, prefixes,
attributes and all but the first element of a body mean nothing. It must never make 0 of a number
that cannot be read, as the original does.
"""

from __future__ import annotations

from typing import NamedTuple

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.values import Unportable
from ccproxy.protocols.jolie.xml import small
from ccproxy.protocols.jolie.xml.building import ValueBuilder
from ccproxy.protocols.jolie.xml.characters import QUOTED, is_name
from ccproxy.protocols.jolie.xml.content import XmlContent
from ccproxy.protocols.jolie.xml.parser import NAMESPACE_END, parse
from ccproxy.protocols.jolie.xml.payloads import BASE64, INFERRED, LOOSE, NIL, STATED, TextKind
from ccproxy.protocols.jolie.xml.types import FieldType, Types

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SCHEMA = "http://www.w3.org/2001/XMLSchema"
INSTANCE = f"{SCHEMA}-instance"
MAX_REASON = 1024
"""Characters of a faultstring that are read or written."""
PREFIX = "jolieMessage"

_HEAD = (
    '<?xml version="1.0" encoding="utf-8" ?>'
    f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE}" xmlns:xsd="{SCHEMA}" xmlns:xsi="{INSTANCE}">'
    "<SOAP-ENV:Body>"
).encode()
_TAIL = b"</SOAP-ENV:Body></SOAP-ENV:Envelope>"
_TYPE, _NIL = f"{INSTANCE}{NAMESPACE_END}type", f"{INSTANCE}{NAMESPACE_END}nil"
_ENVELOPE_NAME, _BODY, _FAULT = (f"{ENVELOPE}{NAMESPACE_END}{one}"
                                 for one in ("Envelope", "Body", "Fault"))  # fmt: skip
_IN_ENVELOPE, _IN_BODY, _IN_FAULT, _IN_DETAIL = 2, 3, 4, 5


class Envelope(NamedTuple):
    """What stood in one: `operation` is the name of the body's element, "" for none and for a
    fault; `value` is None where there is no element."""

    operation: str
    fault: bool
    name: str
    """The name of a fault, "" if it has no detail."""
    reason: str
    """The faultstring."""
    value: Encoded | None


class EnvelopeReader:
    """A visitor that finds the value of a body, or of a fault's detail."""

    def __init__(self, types: Types, operation: str | None) -> None:
        """`operation` is the one whose answer this is; None: it is a call."""
        self.builder = ValueBuilder()
        self.operation = self.name = self.reason = ""
        self.fault = self.found = False
        self._called = operation
        self._of = types
        self._other = _other(types)
        self._types: list[FieldType | None] = []
        self._depth = 0
        self._section = ""
        self._part = ""
        self._over = False

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins."""
        self._depth += 1
        if self.builder.depth:
            self._inside(name, attributes)
        elif self._depth == 1:
            if name != _ENVELOPE_NAME:
                raise Unportable(f"the body is no SOAP 1.1 envelope: its root is {name!r:.80}")
        elif self._depth == _IN_ENVELOPE:
            self._section = name
        elif self._section != _BODY or self._over:
            return
        elif self._depth == _IN_BODY:
            self._begin(name, attributes)
        elif self._depth == _IN_FAULT:
            self._part = local(name)
        elif self._depth == _IN_DETAIL and self._part == "detail" and not self.name:
            self.name = local(name)
            self._root(self._of.fault(self._called or "", self.name), attributes)

    def text(self, text: str) -> None:
        """A piece of text."""
        if self.builder.depth:
            self.builder.text(text)
        elif self._part == "faultstring" and self._depth == _IN_FAULT:
            self.reason += text[: MAX_REASON - len(self.reason)]

    def end(self, name: str) -> None:
        """The element ends."""
        self._depth -= 1
        if self.builder.depth:
            self.builder.close()
            self._types.pop()
        if self._depth < _IN_BODY and self._section == _BODY:
            self._over = self._over or self.fault or bool(self.operation)

    def _begin(self, name: str, attributes: list[str]) -> None:
        """The element of the body."""
        if name == _FAULT:
            self.fault = True
            return
        self.operation = local(name)
        called = self._called
        type = self._of.request(self.operation) if called is None else self._of.answer(called)
        self._root(type, attributes)

    def _root(self, type: FieldType | None, attributes: list[str]) -> None:
        self.found = True
        self._types.append(type)
        self.builder.open("", self._kind(type, attributes))

    def _inside(self, name: str, attributes: list[str]) -> None:
        outer = self._types[-1]
        name = local(name)
        type = outer.fields.get(name) if outer else None
        self._types.append(type)
        self.builder.open(name, self._kind(type, attributes))

    def _kind(self, type: FieldType | None, attributes: list[str]) -> TextKind:
        """What the element says, else what is declared."""
        kind = type.kind if type else self._other
        for index in range(0, len(attributes), 2):
            name, value = attributes[index], attributes[index + 1].strip()
            if name == _NIL and value in ("true", "1"):
                return NIL
            if name == _TYPE and value == "xsd:base64Binary" and self._of.base64:
                kind = BASE64
            elif name == _TYPE:
                kind = STATED.get(value, kind)
        return kind


def read(data: bytes | bytearray, types: Types, operation: str | None = None) -> Steps[Envelope]:
    """The envelope in a body in UTF-8; Unportable if it is none.

    `operation` is the one that this is an answer of; None: it is a call."""
    if found := _small(data, types, operation):
        return found
    reader = EnvelopeReader(types, operation)
    yield from parse(data, reader, namespaces=True)
    value = (yield from reader.builder.value()) if reader.found else None
    return Envelope(reader.operation, reader.fault, reader.name, reader.reason, value)


def _small(data: bytes | bytearray, types: Types, called: str | None) -> Envelope | None:
    """As `read`, of a small envelope without a fault; None if it is another one."""
    root = small.tree(data)
    if root is None or root.tag != f"{{{ENVELOPE}}}Envelope":
        return None
    for section in root:
        if section.tag == f"{{{ENVELOPE}}}Body" and len(section):
            break
    else:
        return None
    element = section[0]
    operation = small.local(element.tag)
    if operation == "Fault":
        return None
    type = types.request(operation) if called is None else types.answer(called)
    found = small.SmallValue(_other(types), INSTANCE).encoded(element, type)
    if found is None:
        return None
    return Envelope(operation, False, "", "", Encoded(found, "utf-8"))


def _other(types: Types) -> TextKind:
    """The kind of an element that says nothing."""
    return LOOSE if types.other is not INFERRED else INFERRED


def message(name: str, content: XmlContent, namespace: str = "") -> bytes | Pieces:
    """The envelope of a call or a result, whose element has this name; Unportable if it cannot."""
    if not is_name(name):
        raise Unportable(f"the operation {name!r:.60} is no name that an XML element can have")
    if not namespace:
        return joined((_HEAD, content.element(name), _TAIL))
    declared = f' xmlns:{PREFIX}="{namespace.translate(QUOTED)}"'
    return joined((_HEAD, content.element(f"{PREFIX}:{name}", declared), _TAIL))


def fault(name: str, content: XmlContent, namespace: str = "") -> bytes | Pieces:
    """The envelope of a fault; Unportable if its name is none that an element can have."""
    declared = f' xmlns="{namespace.translate(QUOTED)}"' if namespace else ""
    detail = content.fault(name, declared)
    payload = bytes(content.pieces[0][: MAX_REASON + 1]).partition(b"<")[0]
    reason = name.encode() + b": " + (payload if len(payload) <= MAX_REASON else b"")
    return joined(
        (
            _HEAD,
            b"<SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode><faultstring>",
            reason,
            b"</faultstring><detail>",
            detail,
            b"</detail></SOAP-ENV:Fault>",
            _TAIL,
        )
    )


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(NAMESPACE_END)[2]
