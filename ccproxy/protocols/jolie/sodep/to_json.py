"""The bytes of a sodep value to JSON text, in steps.

The result is what `json_values.dumps(from_tree(tree.decode(...)[0]))` gives. The bytes are those of
a message that was walked to its end (`scan`). It must never keep more than the result, the values
that are open, and the names of those.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from array import array
from base64 import b64encode
from struct import Struct

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import ARRAY, DEPTH, PAYLOAD, JsonText
from ccproxy.protocols.jolie.many_names import ManyNames
from ccproxy.protocols.jolie.values import Unportable

LONG_STRING = 16 * 1024
"""Bytes of a string that are written in one step."""
BASE64_STEP = 12 * 1024
"""Bytes of raw that are written in one step; a whole number of groups of three."""
VALUES_PER_STEP = 64
MIN_RUN, MAX_RUN = 4, 1024
"""Integers in a row that are written at once."""
MAX_NAMES = 256
"""Names whose text is remembered while one value is written."""

_INT = Struct(">i").unpack_from
_DOUBLE = Struct(">d").unpack_from
_LONG = Struct(">q").unpack_from
VOID, STRING, INT, DOUBLE, RAW, BOOL, LONG = range(7)
"""The tags of payloads."""
_SIZES = {VOID: 1, INT: 5, DOUBLE: 9, BOOL: 2, LONG: 9}
INT_SIZE = 9
"""Bytes of an integer of 32 bits without children."""
_ints = re.compile(rb"(?:\x02.{4}\0{4})*+", re.DOTALL).match
_plain = re.compile(rb'[^"\\\x00-\x1f\x80-\xff]*+').fullmatch
_quoted = json.JSONEncoder(ensure_ascii=False).encode
_COMMA = ord(",")
_PAYLOAD = b'"%b":' % PAYLOAD.encode()
_BESIDE = f"JSON has no form for {ARRAY!r} beside a payload or other children"


class JsonWriter:
    """Writes one value. A comma follows every value and member until the next byte is known."""

    def __init__(self, data: bytes | bytearray, charset: str, base64: bool = False) -> None:
        self.out = bytearray()
        self._base64 = base64
        self._data = data
        self._charset = charset
        self._array = ARRAY.encode(charset)
        self._wide = charset == "utf-16-be"
        self._known: dict[bytes, bytes] = {}
        self._starts = array("q")
        self._names = array("q")

    def write(self, at: int) -> Steps[None]:
        """Write the value at this offset; Unportable if JSON cannot carry it."""
        out, data, starts = self.out, self._data, self._starts
        # For each value that is open: names and elements left, whether the elements stand in
        # brackets and the members in braces, and where its members begin in the result.
        stack: list[tuple[int, int, bool, bool, ManyNames, int]] = []
        names, elements, listed, braced, base = 0, 1, False, False, 0
        seen = ManyNames(self._name_at)
        steps = 0
        while True:
            steps += 1
            if steps > VALUES_PER_STEP:
                steps = 0
                yield
            if elements:
                tag = data[at]
                if tag == INT and elements >= MIN_RUN:
                    run = _ints(data, at, at + INT_SIZE * min(elements, MAX_RUN))
                    assert run is not None
                    if count := (run.end() - at) // INT_SIZE:
                        out += _written(data[at : run.end()])
                        at = run.end()
                        elements -= count
                        steps += count // MIN_RUN
                        continue
                end = end_of_payload(data, at)
                count = _INT(data, end)[0]
                elements -= 1
                if not count:
                    yield from self._payload(at, end)
                    out += b","
                    at = end + 4
                    continue
                stack.append((names, elements, listed, braced, seen, base))
                if len(stack) >= DEPTH:
                    raise Unportable(f"a value nested deeper than {DEPTH}")
                if self._is_array(end):
                    if tag:
                        raise Unportable(_BESIDE)
                    out += b"["
                    at = end + 8 + len(self._array)
                    names, elements, listed, braced = 0, _INT(data, at)[0], True, False
                    at += 4
                    continue
                out += b"{"
                if tag:
                    out += _PAYLOAD
                    yield from self._payload(at, end)
                    out += b","
                names, elements, listed, braced = count, 0, False, True
                seen, base = ManyNames(self._name_at), len(starts)
                at = end + 4
                continue
            if listed:
                _close(out, b"],")
                listed = False
            if names:
                names -= 1
                self._names.append(at)
                end = at + 4 + _INT(data, at)[0]
                name = bytes(data[at + 4 : end])
                elements = _INT(data, end)[0]
                at = end + 4
                starts.append(len(out))
                earlier = seen.put(name, len(starts) - 1)
                if earlier >= 0:
                    self._blank(earlier)
                out += self._known.get(name) or self._name(name)
                listed = elements != 1 or self._is_array(end_of_payload(data, at))
                if listed:
                    out += b"["
                continue
            if braced:
                _close(out, b"},")
                del starts[base:], self._names[base:]
            if not stack:
                break
            names, elements, listed, braced, seen, base = stack.pop()
        del out[-1:]

    def _is_array(self, at: int) -> bool:
        """True if the one child of the value whose payload ends here stands for an array."""
        data, name = self._data, self._array
        return (
            _INT(data, at)[0] == 1
            and _INT(data, at + 4)[0] == len(name)
            and data.startswith(name, at + 8)
        )

    def _name(self, raw: bytes) -> bytes:
        """A name as JSON, with the colon."""
        name = self._decoded(raw)
        if name == PAYLOAD:
            raise Unportable(f"JSON needs the name {PAYLOAD!r} for payloads")
        if name == ARRAY:
            raise Unportable(_BESIDE)
        found = _quoted(name).encode() + b":"
        if len(self._known) < MAX_NAMES:
            self._known[raw] = found
        return found

    def _name_at(self, number: int) -> bytes:
        """The name of a member that is written already."""
        at = self._names[number]
        return bytes(self._data[at + 4 : at + 4 + _INT(self._data, at)[0]])

    def _blank(self, number: int) -> None:
        """Overwrite a member whose name came again: the last one counts."""
        start, end = self._starts[number], self._starts[number + 1]
        self.out[start:end] = b" " * (end - start)

    def _payload(self, at: int, end: int) -> Steps[None]:
        data, tag = self._data, self._data[at]
        if tag == INT:
            self.out += b"%d" % _INT(data, at + 1)[0]
        elif tag == STRING:
            if end - at > LONG_STRING:
                yield from self._long_string(at + 5, end)
            else:
                self.out += self._string(bytes(data[at + 5 : end]))
        elif tag == LONG:
            self.out += b"%d" % _LONG(data, at + 1)[0]
        elif tag == DOUBLE:
            number = _DOUBLE(data, at + 1)[0]
            if not math.isfinite(number):
                raise Unportable(f"JSON has no form for {number}")
            self.out += repr(number).encode()
        elif tag == BOOL:
            self.out += b"true" if data[at + 1] else b"false"
        elif tag == VOID:
            self.out += b"null"
        elif self._base64:
            self.out += b'"'
            for start in range(at + 5, end, BASE64_STEP):
                self.out += b64encode(data[start : min(start + BASE64_STEP, end)])
                yield
            self.out += b'"'
        else:
            raise Unportable("JSON has no form for raw")

    def _string(self, raw: bytes) -> bytes:
        if not self._wide and _plain(raw):
            return b'"%b"' % raw
        return _quoted(self._decoded(raw)).encode()

    def _decoded(self, raw: bytes | bytearray) -> str:
        try:
            return raw.decode(self._charset)
        except UnicodeDecodeError as reason:
            raise self._foreign(reason.start) from None

    def _long_string(self, start: int, end: int) -> Steps[None]:
        decoder = codecs.getincrementaldecoder(self._charset)()
        self.out += b'"'
        for at in range(start, end, LONG_STRING):
            stop = min(at + LONG_STRING, end)
            try:
                text = decoder.decode(self._data[at:stop], stop == end)
            except UnicodeDecodeError as reason:
                raise self._foreign(at - start + reason.start) from None
            self.out += _quoted(text)[1:-1].encode()
            yield
        self.out += b'"'

    def _foreign(self, place: int) -> Unportable:
        return Unportable(f"a string is not {self._charset}: byte {place}")


def to_json(
    data: bytes | bytearray, at: int = 0, charset: str = "utf-8", base64: bool = False
) -> Steps[JsonText]:
    """The value at an offset as JSON, raw as `base64` if that is asked for; Unportable if JSON
    cannot carry it."""
    writer = JsonWriter(data, charset, base64)
    yield from writer.write(at)
    return JsonText(writer.out, 0, len(writer.out))


def end_of_payload(data: bytes | bytearray, at: int) -> int:
    """Where the payload at an offset ends."""
    tag = data[at]
    if tag in (STRING, RAW):
        return at + 5 + int(_INT(data, at + 1)[0])
    return at + _SIZES[tag]


def _written(records: bytes | bytearray) -> bytes:
    """Integers without children, each with a comma behind it."""
    numbers = bytearray(4 * (len(records) // INT_SIZE))
    for place in range(4):
        numbers[place::4] = records[1 + place :: INT_SIZE]
    found = array("i", bytes(numbers))
    if sys.byteorder == "little":
        found.byteswap()
    return (",".join(map(str, found)) + ",").encode()


def _close(out: bytearray, end: bytes) -> None:
    """End an object or array; the comma behind its last part goes."""
    if out[-1] == _COMMA:
        del out[-1:]
    out += end
