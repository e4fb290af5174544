"""Small documents in one step: the standard library's tree of elements, and the bytes of a value.

A small call takes half the time that way. What comes out is what `parser` and `building` make of
the same document; of one that needs their care, or that is wrong, nothing is made here. Pure; it
must never see a document type, or a document that takes longer than a step may.
"""

from __future__ import annotations

from struct import Struct
from xml.etree.ElementTree import Element, ParseError, XMLParser

from ccproxy.protocols.jolie.sodep.tree import text as field
from ccproxy.protocols.jolie.xml.building import payload
from ccproxy.protocols.jolie.xml.parser import MAX_ATTRIBUTES
from ccproxy.protocols.jolie.xml.payloads import NIL, STATED, TextKind
from ccproxy.protocols.jolie.xml.types import FieldType

MOST = 4096
"""Bytes of a document: 1,000 elements in a millisecond and a half."""
DEEPEST = 64
"""Elements inside each other."""

_COUNT = Struct(">i").pack


def tree(data: bytes | bytearray) -> Element | None:
    """The root of a document in UTF-8, names as {NAMESPACE}NAME; None if it is to be read by
    `parser`."""
    # The tree loses text behind comments, and a document type is not for it to refuse.
    if len(data) > MOST or b"<!" in data or data.find(b"<?", 1) > 0:
        return None
    if data.count(b"=") > MAX_ATTRIBUTES:
        return None
    reader = XMLParser(encoding="utf-8")
    try:
        reader.feed(data)
        root: Element = reader.close()
    except ParseError:
        return None
    return root


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


class SmallValue:
    """How the elements of one document become a value."""

    def __init__(self, other: TextKind, stated: str = "") -> None:
        """Fields that no type names are of the kind `other`; `stated` is the namespace of the
        attributes by which elements say their kind, "" if none does."""
        self._other = other
        self._type = f"{{{stated}}}type"
        self._nil = f"{{{stated}}}nil"
        self._stated = bool(stated)

    def encoded(self, root: Element, type: FieldType | None) -> bytes | None:
        """The value of an element; None if that is to be made elsewhere."""
        try:
            return self._encoded(root, type, DEEPEST)
        except ValueError:
            return None

    def _encoded(self, element: Element, type: FieldType | None, depth: int) -> bytes:
        if not depth:
            raise ValueError("too deep")
        text = element.text or ""
        fields = type.fields if type else {}
        vectors: dict[str, list[bytes]] = {}
        for child in element:
            name = child.tag if not self._stated else local(child.tag)
            found = self._encoded(child, fields.get(name), depth - 1)
            vectors.setdefault(name, []).append(found)
            if child.tail:
                text += child.tail
        kind = type.kind if type else self._other
        if self._stated:
            kind = self._kind(element, kind)
        if kind.base64:
            raise ValueError("base64")
        parts = [*payload(kind, text.encode(), bool(vectors)), _COUNT(len(vectors))]
        for name, elements in vectors.items():
            parts += (field(name), _COUNT(len(elements)), *elements)
        return b"".join(parts)

    def _kind(self, element: Element, kind: TextKind) -> TextKind:
        """What the element says, else what is declared."""
        for name, value in element.items():
            value = value.strip()
            if name == self._nil and value in ("true", "1"):
                return NIL
            if name == self._type:
                if value == "xsd:base64Binary":
                    raise ValueError("base64")
                kind = STATED.get(value, kind)
        return kind
