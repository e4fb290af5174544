"""XML in steps and within limits, told to a visitor: the only place where XML of strangers is read.

expat finds the tokens. A document type is refused where it begins, so there are no entities but the
five of XML, no defaults of attributes, and nothing outside the document is ever looked at. It must
never hold more than one token of `MAX_TOKEN` bytes, or look at more than `SLICE` bytes in one step.
"""

from __future__ import annotations

from typing import NoReturn, Protocol
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, errors

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import DEPTH
from ccproxy.protocols.jolie.values import MAX_NODES, Unportable

SLICE = 1024
"""Bytes given to expat in one step: 256 elements without content take half a millisecond."""
MAX_TOKEN = 16 * 1024
"""Bytes of a tag, a comment or a processing instruction. expat looks at one that is not whole again
with every slice, which would be quadratic in its length."""
MAX_ATTRIBUTES = 256
"""Attributes of one element."""
NAMESPACE_END = " "
"""Stands behind the namespace of a name, if namespaces are told."""


class XmlVisitor(Protocol):
    """What the parser tells; it may raise Unportable, which ends the parsing."""

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins; names and values of its attributes in turn."""

    def text(self, text: str) -> None:
        """A piece of the text right inside the element that is open."""

    def end(self, name: str) -> None:
        """The element that was opened last ends."""


class _Parsing:
    """One document: counts what its limits are about."""

    def __init__(self, visitor: XmlVisitor, namespaces: bool) -> None:
        self._visitor = visitor
        self._depth = 0
        self._nodes = 0
        self.parser = ParserCreate("utf-8", NAMESPACE_END if namespaces else None)
        self.parser.buffer_text = True
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = visitor.text
        self.parser.StartDoctypeDeclHandler = _refuse_doctype

    def _start(self, name: str, attributes: list[str]) -> None:
        self._depth += 1
        self._nodes += 1 + len(attributes) // 2
        if self._depth > DEPTH:
            raise Unportable(f"XML nested deeper than {DEPTH}")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise Unportable(f"an element with more than {MAX_ATTRIBUTES} attributes")
        if self._nodes > MAX_NODES:
            raise Unportable(f"XML of more than {MAX_NODES} elements and attributes")
        self._visitor.start(name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._visitor.end(name)


def parse(data: bytes | bytearray, visitor: XmlVisitor, namespaces: bool = False) -> Steps[None]:
    """Tell a document in UTF-8, whatever its declaration says; Unportable says what is wrong."""
    parser = _Parsing(visitor, namespaces).parser
    try:
        for at in range(0, len(data), SLICE):
            piece = bytes(data[at : at + SLICE])
            parser.Parse(piece, False)
            if at + len(piece) - parser.CurrentByteIndex > MAX_TOKEN:
                what = f"a tag, comment or instruction of more than {MAX_TOKEN} bytes"
                raise Unportable(f"the body is not read as XML: {what}")
            yield
        parser.Parse(b"", True)
    except ExpatError as reason:
        raise Unportable(f"the body is no XML: {_words(reason)}") from None


def _words(error: ExpatError) -> str:
    """What is wrong and where, without the bytes of the sender."""
    if error.code == errors.codes[errors.XML_ERROR_UNDEFINED_ENTITY]:
        what = "an entity that XML does not define"
    else:
        what = ErrorString(error.code) or "an error"
    return f"{what} in line {error.lineno}, column {error.offset + 1}"


def _refuse_doctype(*_: object) -> NoReturn:
    raise Unportable("the body has a DOCTYPE, which is refused: it could define or fetch entities")
