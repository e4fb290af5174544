"""The check of a JSON text that is passed on as it is, and the parts of it that are asked for.

What it finds wrong is what `json_values.loads` finds wrong: no JSON, a name twice in an object, a
number beyond a double, too many objects and arrays. It must never build the value.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Collection

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.json_values import NODES
from ccproxy.protocols.jolie.json_walk import (
    OBJECT,
    WINDOW,
    Visitor,
    each_element,
    each_member,
    end_of_name,
    walk,
)
from ccproxy.protocols.jolie.many_names import ManyNames
from ccproxy.protocols.jolie.values import Unportable

LARGE = 4 * 1024
"""Bytes of a value from which on it is read and converted in steps."""
Part = tuple[int, int]
"""Where a value begins and ends in its text."""

SHORT_NUMBER = len("1e99")
"""Characters of a number that is no infinity for sure."""
_DIGITS = b"-0123456789"
# A number that may be beyond a double has a long exponent or very many digits.
_maybe_huge = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{309}").search


class CheckedText(Visitor):
    """What was found in a text: how many values its root holds, and where the wanted ones are."""

    def __init__(self, data: bytes | bytearray, names: Collection[str], most: int) -> None:
        """Members of these `names` are found in a root object, the first `most` values in an
        array."""
        self.data = data
        self.root: Part = (0, 0)
        """The value without the spaces around it."""
        self.count = 0
        """Members of the root object; values in a root array, if some of them are wanted."""
        self.found: dict[str, Part] = {}
        """The members of a root object that have one of the names."""
        self.parts: list[Part] = []
        """The first values of a root array."""
        self._wanted = {json.dumps(name, ensure_ascii=False).encode(): name for name in names}
        self._most = most
        self._name: str | None = None
        self._begun = [0, 0]
        self._open: list[ManyNames | None] = []
        self._containers = 0

    def elements(self, start: int, end: int) -> None:
        """Scalars in a row."""
        if len(self._open) == 1 and self._most:
            for one in each_element(self.data, start, end):
                self._child(*one.span(1))
        if _maybe_huge(self.data, start, end):
            for one in each_element(self.data, start, end):
                _check_number(one[1])

    def members(self, start: int, end: int) -> None:
        """Members in a row whose values are scalars."""
        root = len(self._open) == 1
        for one in each_member(self.data, start, end):
            name = _plain(one[1])
            self._add(name, one.start(1))
            if root:
                self.count += 1
                if name in self._wanted:
                    self.found[self._wanted[name]] = one.span(2)
        if _maybe_huge(self.data, start, end):
            for one in each_member(self.data, start, end):
                _check_number(one[2])

    def name(self, start: int, end: int) -> None:
        """The name of a member."""
        name = _plain(bytes(self.data[start:end]))
        self._add(name, start)
        if len(self._open) == 1:
            self._name = self._wanted.get(name)

    def scalar(self, start: int, end: int) -> None:
        """One scalar."""
        self._child(start, end)
        if end - start > SHORT_NUMBER:
            _check_number(self.data[start:end])

    def long_string(self, start: int, end: int) -> Steps[None]:
        """A long string has nothing more to be checked."""
        self._child(start, end)
        yield

    def opened(self, bracket: int, at: int) -> None:
        """An object or array."""
        self._containers += 1
        if self._containers > NODES:
            raise ValueError(f"JSON of more than {NODES} objects and arrays")
        if len(self._open) < len(self._begun):
            self._begun[len(self._open)] = at
        self._open.append(ManyNames(self._name_at) if bracket == OBJECT else None)

    def closed(self, end: int) -> None:
        """The end of one."""
        self._open.pop()
        if len(self._open) < len(self._begun):
            self._child(self._begun[len(self._open)], end)

    def _child(self, start: int, end: int) -> None:
        """The root has ended, or a value right inside it."""
        if not self._open:
            self.root = start, end
        if len(self._open) != 1:
            return
        self.count += 1
        if self._name is not None:
            self.found[self._name], self._name = (start, end), None
        elif self._open[0] is None and len(self.parts) < self._most:
            self.parts.append((start, end))

    def _add(self, name: bytes, at: int) -> None:
        known = self._open[-1]
        assert known is not None
        if known.put(name, at) >= 0:
            raise ValueError("an object has a name twice")

    def _name_at(self, at: int) -> bytes:
        return _plain(bytes(self.data[at : end_of_name(self.data, at)]))


def check(
    data: bytes | bytearray, start: int, end: int, names: Collection[str] = (), most: int = 0
) -> Steps[CheckedText]:
    """Check the text of one value; `names` and `most` are those of `CheckedText`.

    ValueError says what is wrong with it.
    """
    found = CheckedText(data, names, most)
    yield from walk(data, start, end, found)
    return found


def utf8(data: bytes | bytearray, charset: str) -> Steps[bytes | bytearray]:
    """A text in UTF-8; Unportable if it is not in the charset it claims."""
    same = codecs.lookup(charset).name == "utf-8"
    made = bytearray()
    at = 0
    try:
        if len(data) <= WINDOW:
            text = data.decode(charset)
            return data if same else text.encode()
        decoder = codecs.getincrementaldecoder(charset)()
        for at in range(0, len(data), WINDOW):
            text = decoder.decode(data[at : at + WINDOW], at + WINDOW >= len(data))
            if not same:
                made += text.encode()
            yield
    except UnicodeDecodeError as reason:
        place = at + reason.start
        raise Unportable(f"the body is not {charset}: byte {place}") from None
    return data if same else made


def _plain(name: bytes) -> bytes:
    """A name in the one spelling that has the fewest escapes."""
    if b"\\" not in name:
        return name
    return json.dumps(json.loads(name), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _check_number(token: bytes | bytearray) -> None:
    if token[0] not in _DIGITS or token.lstrip(b"-").isdigit():
        return
    if math.isinf(float(token)):
        raise ValueError(f"the number {token[:40].decode()} is beyond a double")
