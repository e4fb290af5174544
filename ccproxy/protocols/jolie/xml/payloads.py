"""Payloads as the text of elements, in both directions: what a text means, how a number is written.

    kind        text                                     payload
    untyped     any; none                                string; void
    string      any, also none                           string
    int, long   decimal digits, blanks around them       int, long
    double      as Java and XML Schema write it          double
    bool        true and false in any case, 1 and 0      bool
    raw         any                                      its UTF-8 bytes, or what base64 stands for

A number is written as Java writes it. Pure; it must never make a number of what is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ccproxy.protocols.jolie.values import Long, Payload

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "INF": math.inf, "-Infinity": -math.inf,
            "-INF": -math.inf}  # fmt: skip
_BOOLS = {"true": True, "1": True, "false": False, "0": False}
_PLAIN_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_PLAIN_DOUBLE = re.compile(r"-?(?:0|[1-9][0-9]{0,16})\.[0-9]{1,17}(?:E-?[0-9]{1,3})?")
_INT, _LONG = 1 << 31, 1 << 63


class TextKind(NamedTuple):
    """How the text of an element becomes its payload."""

    name: str
    scalar: Callable[[str], Payload] | None = None
    """Converts a short text; ValueError says what was expected. None: the text is the payload."""
    empty: Payload = None
    """What no text means."""
    loose: bool = False
    """True if blanks between child elements are no text."""
    raw: bool = False
    """True if the payload is bytes."""
    base64: bool = False
    """True if the text stands for other bytes than its own."""
    strict: bool = False
    """True if the sender says this kind: a text that is none is refused, and no string."""


def integer(text: str) -> int:
    """A number of 32 bits."""
    found = _whole(text)
    if not -_INT <= found < _INT:
        raise ValueError("a number of more than 32 bits where an int is declared")
    return found


def long(text: str) -> Long:
    """A number of 64 bits."""
    found = _whole(text)
    if not -_LONG <= found < _LONG:
        raise ValueError("a number of more than 64 bits")
    return Long(found)


def double(text: str) -> float:
    """A number with a point, an exponent, or a name."""
    text = text.strip()
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _DOUBLE.fullmatch(text):
        raise ValueError(f"found {text!r:.40}, expected a decimal number")
    return float(text)


def boolean(text: str) -> bool:
    """A truth value."""
    found = _BOOLS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"found {text.strip()!r:.40}, expected true or false")
    return found


def nothing(text: str) -> None:
    """No payload, whatever the text is."""
    return


def blank(text: str) -> None:
    """No payload, if there is no text but blanks."""
    if text.strip():
        raise ValueError("a text where none is declared")


def inferred(text: str) -> Payload:
    """A number or truth value if the text is what Java writes for one, else a string."""
    if _PLAIN_INTEGER.fullmatch(text):
        found = int(text)
        return found if -_LONG <= found < _LONG else text
    if _PLAIN_DOUBLE.fullmatch(text):
        return float(text)
    if text in ("true", "false"):
        return text == "true"
    return text or None


def lenient(convert: Callable[[str], Payload]) -> Callable[[str], Payload]:
    """As `convert`, but what it refuses stays a string: then the service says what is wrong."""

    def converted(text: str) -> Payload:
        try:
            return convert(text)
        except ValueError:
            return text or None

    return converted


UNTYPED = TextKind("untyped")
INFERRED = TextKind("inferred", inferred)
VOID = TextKind("void", lenient(blank))
NIL = TextKind("nil", nothing)
BASE64 = TextKind("raw", empty=b"", raw=True, base64=True)
DECLARED: Mapping[str, TextKind] = {
    "string": TextKind("string", empty=""),
    "int": TextKind("int", lenient(integer)),
    "long": TextKind("long", lenient(long)),
    "double": TextKind("double", lenient(double)),
    "bool": TextKind("bool", lenient(boolean)),
    "raw": TextKind("raw", empty=b"", raw=True),
    "void": VOID,
    "untyped": UNTYPED,
}
"""The kinds that a file of types may name; a text that is none of its kind stays a string."""
STATED: Mapping[str, TextKind] = {
    "xsd:string": TextKind("string", empty=""),
    "xsd:int": TextKind("int", integer, strict=True),
    "xsd:long": TextKind("long", long, strict=True),
    "xsd:double": TextKind("double", double, strict=True),
    "xsd:boolean": TextKind("boolean", boolean, strict=True),
}
"""The kinds that an element of soap may say; of any other one it is a string."""
LOOSE = TextKind("untyped", empty="", loose=True)
"""An element of soap that says nothing: no text is the empty string, beside children it is none."""


def java_double(number: float) -> str:
    """A double as Java writes it: with a point, and an exponent from 10^7 on and below 10^-3."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    text = repr(number)
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        # Python writes an exponent only below 1e-4 and from 1e16 on.
        return text
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent = text.partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if whole == "0":
        point -= len(part) - len(part.lstrip("0")) + 1
    digits = digits.rstrip("0") or "0"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _whole(text: str) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"found {text!r:.40}, expected a whole number")
    return int(text)
