"""The bytes of a sodep value to XML, in steps.

A node is an element, a vector several of one name, a payload the text in front of the children:

    root text, n = 1, 2, @Attributes.k = v       <op k="v">root text<n>1</n><n>2</n></op>

The bytes are those of a message that was walked to its end (`scan`). It must never write what XML
cannot hold, or what would be read as something else: Unportable names the field.
"""

from __future__ import annotations

from base64 import b64encode
from codecs import getincrementaldecoder
from struct import Struct
from typing import NamedTuple

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import DEPTH
from ccproxy.protocols.jolie.many_names import ManyNames
from ccproxy.protocols.jolie.sodep.to_json import (
    BOOL,
    DOUBLE,
    INT,
    LONG,
    MAX_NAMES,
    RAW,
    STRING,
    VALUES_PER_STEP,
    VOID,
    end_of_payload,
)  # fmt: skip
from ccproxy.protocols.jolie.values import Unportable
from ccproxy.protocols.jolie.xml.characters import ESCAPES, NO_XML, PLAIN, QUOTED, is_name
from ccproxy.protocols.jolie.xml.parser import MAX_ATTRIBUTES, MAX_TOKEN
from ccproxy.protocols.jolie.xml.payloads import java_double

ATTRIBUTES, PREFIX = "@Attributes", "@Prefix"
"""The children that stand for attributes, and for the prefix of a name."""
WINDOW = 12 * 1024
"""Bytes of a text that are written in one step; a whole number of base64's groups of three."""
BYTES_PER_STEP = 16
"""Bytes of attributes that take as long as a value."""
PIECE = 64 * 1024
"""Bytes of a piece of the result."""

_INT, _DOUBLE, _LONG = (Struct(one).unpack_from for one in (">i", ">d", ">q"))
_XSD = {STRING: "string", INT: "int", DOUBLE: "double", RAW: "any", BOOL: "boolean", LONG: "long"}
_ROOT = (-1, 0)


class XmlStyle(NamedTuple):
    """What soap and the two ways of raw write differently."""

    typed: bool = False
    """True: elements say their types (`xsi:type`), and there are no attributes."""
    base64: bool = False
    """True: raw is written as base64; False: as text, if it is one."""


class _Node(NamedTuple):
    """One that is open around the present one."""

    names: int
    elements: int
    name: bytes
    tag: bytes
    mark: tuple[int, int]
    seen: ManyNames


class XmlWriter:
    """Writes one value: `attributes` are those of its root, `pieces` what is inside."""

    def __init__(self, data: bytes | bytearray, charset: str, style: XmlStyle) -> None:
        self.attributes = bytearray()
        self.pieces = [bytearray()]
        self._out = self.pieces[0]
        self._data, self._charset, self._style = data, charset, style
        self._at_sign = "@".encode(charset)
        self._tags: dict[bytes, bytes] = {}
        self._path: list[bytes] = []

    def write(self, at: int) -> Steps[None]:
        """Write the value at this offset."""
        data, path = self._data, self._path
        stack: list[_Node] = []
        self.attributes += self._type(at)
        at, names = yield from self._payload(at)
        name, tag, mark, seen = b"", b"", _ROOT, ManyNames(self._name_at)
        elements = steps = 0
        while True:
            steps += 1
            if steps > VALUES_PER_STEP:
                steps = 0
                yield
            if elements:
                elements -= 1
                path.append(name)
                if len(path) >= DEPTH:
                    raise Unportable(f"a value nested deeper than {DEPTH}")
                inner = self._tag(name)
                here = self._open(inner, at)
                at, count = yield from self._payload(at)
                if count:
                    stack.append(_Node(names, elements, name, tag, mark, seen))
                    names, elements, tag, mark = count, 0, inner, here
                    seen = ManyNames(self._name_at)
                    continue
                path.pop()
                self._close(inner, here)
            elif names:
                names -= 1
                start, end = at + 4, at + 4 + _INT(data, at)[0]
                name, elements = bytes(data[start:end]), _INT(data, end)[0]
                if seen.put(name, at) >= 0:
                    raise self._unportable("a child twice", name)
                at = end + 4
                if name.startswith(self._at_sign):
                    at = self._special(name, elements, at, mark)
                    steps += (at - end) // BYTES_PER_STEP
                    elements = 0
            elif stack:
                self._close(tag, mark)
                names, elements, name, tag, mark, seen = stack.pop()
                path.pop()
            else:
                return

    def _open(self, tag: bytes, at: int) -> tuple[int, int]:
        """Begin an element; where its attributes end, so that more can be put there."""
        if len(self._out) > PIECE:
            self._out = bytearray()
            self.pieces.append(self._out)
        out = self._out
        out += b"<%b%b" % (tag, self._type(at))
        mark = len(self.pieces) - 1, len(out)
        out += b">"
        return mark

    def _close(self, tag: bytes, mark: tuple[int, int]) -> None:
        out = self._out
        if mark == (len(self.pieces) - 1, len(out) - 1):
            out[-1:] = b"/>"
        else:
            out += b"</%b>" % tag

    def _type(self, at: int) -> bytes:
        """The attribute that says the type of the value at an offset."""
        if not self._style.typed:
            return b""
        tag = self._data[at]
        if tag == VOID:
            return b"" if _INT(self._data, at + 1)[0] else b' xsi:nil="true"'
        word = "base64Binary" if tag == RAW and self._style.base64 else _XSD[tag]
        return f' xsi:type="xsd:{word}"'.encode()

    def _tag(self, raw: bytes) -> bytes:
        """The name of an element."""
        found = self._tags.get(raw)
        if found is None:
            name = self._decoded(raw)
            if not is_name(name):
                raise self._unportable("the name is none that an XML element can have")
            found = name.encode()
            if len(self._tags) < MAX_NAMES:
                self._tags[raw] = found
        return found

    def _special(self, raw: bytes, elements: int, at: int, mark: tuple[int, int]) -> int:
        """A child whose name begins with @; the offset behind it."""
        name = self._decoded(raw)
        if not elements:
            return at
        if name == PREFIX and elements == 1 and self._data[at] == STRING:
            at = end_of_payload(self._data, at)
            if not _INT(self._data, at)[0]:
                return at + 4
        if name != ATTRIBUTES or elements != 1:
            raise self._unportable("no element has a name with @", raw)
        if self._style.typed:
            raise self._unportable("soap services of Jolie fail at attributes", raw)
        self._path.append(raw)
        text, at = self._attributes(at)
        self._path.pop()
        if mark == _ROOT:  # whose attributes stand elsewhere
            self.attributes += text
        else:
            piece, place = mark
            self.pieces[piece][place:place] = text
        return at

    def _attributes(self, at: int) -> tuple[bytes, int]:
        """The children of `@Attributes` as text, and the offset behind it."""
        data = self._data
        if data[at] != VOID:
            raise self._unportable("a payload has no place in attributes")
        names = _INT(data, at + 1)[0]
        if names > MAX_ATTRIBUTES:
            raise self._unportable(f"more than {MAX_ATTRIBUTES} attributes")
        at += 5
        made: dict[bytes, bytes] = {}
        for _ in range(names):
            end = at + 4 + _INT(data, at)[0]
            raw, elements = bytes(data[at + 4 : end]), _INT(data, end)[0]
            at = end + 4
            if not elements:
                continue
            end = end_of_payload(data, at)
            if elements != 1 or _INT(data, end)[0] or raw in made:
                raise self._unportable("an attribute is one text", raw)
            self._path.append(raw)
            made[raw] = b' %b="%b"' % (self._tag(raw), self._short(at, end))
            self._path.pop()
            at = end + 4
        text = b"".join(made.values())
        if len(text) > MAX_TOKEN // 2:
            raise self._unportable(f"attributes of more than {MAX_TOKEN // 2} bytes")
        return text, at

    def _short(self, at: int, end: int) -> bytes:
        """A payload as the value of an attribute."""
        if end - at > MAX_TOKEN:
            raise self._unportable(f"an attribute of more than {MAX_TOKEN} bytes")
        if self._data[at] != STRING:
            return self._scalar(at)
        text = self._decoded(self._data[at + 5 : end])
        self._check(text)
        return text.translate(QUOTED).encode()

    def _payload(self, at: int) -> Steps[tuple[int, int]]:
        """Write the payload at an offset; the offset of its first child, and how many there are."""
        data = self._data
        tag, end = data[at], end_of_payload(data, at)
        if tag == STRING:
            yield from self._text(at + 5, end, self._charset)
        elif tag == RAW and self._style.base64:
            for start in range(at + 5, end, WINDOW):
                self._out += b64encode(data[start : min(start + WINDOW, end)])
                yield
        elif tag == RAW:
            yield from self._text(at + 5, end, "utf-8")
        elif tag != VOID:
            self._out += self._scalar(at)
        return end + 4, _INT(data, end)[0]

    def _scalar(self, at: int) -> bytes:
        data, tag = self._data, self._data[at]
        if tag == INT:
            return b"%d" % _INT(data, at + 1)[0]
        if tag == LONG:
            return b"%d" % _LONG(data, at + 1)[0]
        if tag == BOOL:
            return b"true" if data[at + 1] else b"false"
        if tag == DOUBLE:
            return java_double(_DOUBLE(data, at + 1)[0]).encode()
        if tag == VOID:
            return b""
        raise self._unportable("raw has no place in attributes")

    def _text(self, start: int, end: int, charset: str) -> Steps[None]:
        """Characters between tags; Unportable for those that XML has not."""
        data = self._data
        raw = data[start:end] if end - start <= WINDOW else b""
        if raw and charset != "utf-16-be" and PLAIN(raw):
            self._out += raw
            return
        decoder = getincrementaldecoder(charset)()
        for at in range(start, end, WINDOW):
            stop = min(at + WINDOW, end)
            try:
                text = decoder.decode(data[at:stop], stop == end)
            except UnicodeDecodeError:
                what = f"bytes that are not {charset}; raw = base64 lets raw values be any"
                raise self._unportable(what) from None
            self._check(text)
            self._out += text.translate(ESCAPES).encode()
            if end - start > WINDOW:
                if len(self._out) > PIECE:
                    self._out = bytearray()
                    self.pieces.append(self._out)
                yield

    def _check(self, text: str) -> None:
        if found := NO_XML.search(text):
            raise self._unportable(f"XML has no character {found[0]!a}")

    def _name_at(self, at: int) -> bytes:
        """The name of a child that was there before."""
        return bytes(self._data[at + 4 : at + 4 + _INT(self._data, at)[0]])

    def _decoded(self, raw: bytes | bytearray) -> str:
        try:
            return raw.decode(self._charset)
        except UnicodeDecodeError:
            raise self._unportable(f"a name that is not {self._charset}") from None

    def _unportable(self, what: str, *more: bytes) -> Unportable:
        """The reason with the place of the field in front."""
        path = [one.decode(self._charset, "replace") for one in (*self._path, *more)]
        place = "".join(f".{name}" for name in path) or "the value"
        return Unportable(f"{NO_XML.sub('?', place):.200}: {what}")
