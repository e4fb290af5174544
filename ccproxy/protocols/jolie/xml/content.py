"""A value as XML without the element around it, which has the name of an operation or of a fault.

It must never be made of a value whose bytes nothing has checked.
"""

from __future__ import annotations

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import JsonText
from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.sodep.from_json import from_json
from ccproxy.protocols.jolie.sodep.messages import Encoded, Packed
from ccproxy.protocols.jolie.sodep.tree import encode
from ccproxy.protocols.jolie.values import Tree, Unportable, Value
from ccproxy.protocols.jolie.xml.characters import is_name
from ccproxy.protocols.jolie.xml.writing import XmlStyle, XmlWriter


class XmlContent(Value):
    """A value as XML, still without the element around it: its attributes and what is inside."""

    __slots__ = ("attributes", "pieces", "source", "style")

    def __init__(self, source: Value, style: XmlStyle, writer: XmlWriter) -> None:
        self.source = source
        self.style = style
        self.attributes = bytes(writer.attributes)
        self.pieces = writer.pieces

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.attributes) + sum(map(len, self.pieces))

    def tree(self) -> Tree:
        """The value that it was made of."""
        return self.source.tree()

    def element(self, name: str, attributes: str = "") -> bytes | Pieces:
        """The element of this name, with more attributes in front of its own."""
        tag = name.encode()
        head = b"<%b%b%b" % (tag, attributes.encode(), self.attributes)
        if not any(self.pieces):
            return head + b"/>"
        return joined((head + b">", *self.pieces, b"</%b>" % tag))

    def fault(self, name: str, attributes: str = "") -> bytes | Pieces:
        """As `element`, of a fault; Unportable if an element cannot have its name."""
        if not is_name(name):
            raise Unportable(f"the fault {name!r:.60} has no name that an XML element can have")
        return self.element(name, attributes)


def is_written(value: Value, style: XmlStyle) -> bool:
    """True if a value is XML of this style already."""
    return isinstance(value, XmlContent) and value.style == style


def to_xml(value: Value, style: XmlStyle) -> Steps[XmlContent]:
    """A value as XML; Unportable names what XML cannot carry."""
    if isinstance(value, XmlContent):
        if value.style == style:
            return value
        # The call was prepared for another protocol: the port has moved since.
        value = value.source
    source = value
    if isinstance(value, JsonText):
        value = Encoded((yield from from_json(value)), "utf-8")
    if isinstance(value, Packed):
        writer = XmlWriter(value.frame.tail, value.charset, style)
        at = value.frame.value
    else:
        if not isinstance(value, Encoded):
            value = Encoded(encode(value.tree()), "utf-8")
        writer, at = XmlWriter(value.data, value.charset, style), 0
    yield from writer.write(at)
    return XmlContent(source, style, writer)
