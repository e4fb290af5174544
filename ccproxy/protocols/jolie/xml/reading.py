"""Bodies of Jolie's `http` protocol in XML: a value, or a fault around one.

    <sum><x>5</x></sum>                            x = "5", or what its type says
    <divResponse><DivByZero>..</DivByZero></..>    with a status of 400 and more: a fault

The root's name means nothing. Attributes, and the declarations of namespaces, are children of
`@Attributes`, a prefix is a child `@Prefix`; white space between elements is text. It must never
take an element without declared type for a number.
"""

from __future__ import annotations

import re

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.values import Fault, Value
from ccproxy.protocols.jolie.xml.building import ValueBuilder
from ccproxy.protocols.jolie.xml.parser import parse
from ccproxy.protocols.jolie.xml.payloads import UNTYPED, TextKind
from ccproxy.protocols.jolie.xml.small import MOST, SmallValue, tree
from ccproxy.protocols.jolie.xml.types import FieldType, Types
from ccproxy.protocols.jolie.xml.writing import ATTRIBUTES, PREFIX

_MORE = re.compile(rb"<[^<>]*[:=]").search
"""Finds a tag with an attribute or a prefix."""

Fields = tuple[tuple[str, str], ...]
"""Names and texts, in order."""


class XmlReader:
    """A visitor that builds a value."""

    def __init__(
        self, type: FieldType | None, other: TextKind = UNTYPED, fields: Fields = ()
    ) -> None:
        """Fields that the type does not name are of the kind `other`; `fields` are children that
        stand in front of those of the root."""
        self.builder = ValueBuilder()
        self._fields = fields
        self._other = other
        self._types: list[FieldType | None] = [type]

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins."""
        builder, types = self.builder, self._types
        prefix, _, local = name.rpartition(":")
        outer = types[-1]
        if builder.depth:
            types.append(outer.fields.get(local) if outer else None)
        type = types[-1]
        root = not builder.depth
        builder.open(local, type.kind if type else self._other)
        if root:
            for field, value in self._fields:
                builder.leaf(field, value)
        if attributes:
            builder.open(ATTRIBUTES)
            for index in range(0, len(attributes), 2):
                builder.leaf(attributes[index].rpartition(":")[2], attributes[index + 1])
            builder.close()
        if prefix and not root:
            builder.leaf(PREFIX, prefix)

    def text(self, text: str) -> None:
        """A piece of text."""
        self.builder.text(text)

    def end(self, name: str) -> None:
        """The element ends."""
        self.builder.close()
        if self.builder.depth:
            self._types.pop()


class FaultReader:
    """A visitor that builds the value of a fault; `name` is "" if the document is none."""

    def __init__(self, types: Types, operation: str) -> None:
        self.name = ""
        self.reader = XmlReader(None)
        self._types = types
        self._operation = operation
        self._depth = 0
        self._other = False

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins: the root, that of the fault, or one inside."""
        self._depth += 1
        if self._depth == 2:
            if self.name or self._other:
                self.name, self._other = "", True
                return
            self.name = name.rpartition(":")[2]
            type = self._types.fault(self._operation, self.name)
            self.reader = XmlReader(type, self._types.other)
        if self._depth > 1 and not self._other:
            self.reader.start(name, attributes)

    def text(self, text: str) -> None:
        """A piece of text; right inside the root it says that this is no fault."""
        if self._depth > 1 and not self._other:
            self.reader.text(text)
        elif text.strip():
            self.name, self._other = "", True

    def end(self, name: str) -> None:
        """The element ends."""
        self._depth -= 1
        if self._depth and not self._other:
            self.reader.end(name)


def read_value(
    data: bytes | bytearray,
    type: FieldType | None,
    other: TextKind = UNTYPED,
    fields: Fields = (),
) -> Steps[Value]:
    """The value of a body in UTF-8, which may be empty; Unportable if it is no XML that is read
    here. `fields` are those of `XmlReader`."""
    data = data or b"<void/>"
    if not fields and (small := _small(data, type, other)):
        return small
    reader = XmlReader(type, other, fields)
    yield from parse(data, reader)
    found: Encoded = yield from reader.builder.value()
    return found


def _small(data: bytes | bytearray, type: FieldType | None, other: TextKind) -> Encoded | None:
    """The value of a small document without attributes and prefixes; None if it is another one."""
    if len(data) > MOST or _MORE(data, data.find(b"?>") if data.startswith(b"<?") else 0):
        return None
    root = tree(data)
    found = SmallValue(other).encoded(root, type) if root is not None else None
    return Encoded(found, "utf-8") if found is not None else None


def read_fault(data: bytes | bytearray, types: Types, operation: str) -> Steps[Fault | None]:
    """The fault in a body; None if it is none. Errors as of `read_value`."""
    reader = FaultReader(types, operation)
    yield from parse(data, reader)
    if not reader.name:
        return None
    return Fault(reader.name, (yield from reader.reader.builder.value()))
