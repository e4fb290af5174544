"""The kinds of option values: each reads a text and shows a value.

`kind.parse(kind.show(value)) == value` for every kind. A parser raises a ValueError that says what
was found and what was expected. It must never look at other options or at the file system.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from ccproxy.config.address import Address, wrong
from ccproxy.config.options import Kind
from ccproxy.config.problems import did_you_mean

__all__ = [
    "address", "addresses", "any_listen_address", "between", "checked", "choice",
    "daemon_sections", "duration", "file", "flag", "folders", "integer", "list_of",
    "listen_address", "message_type", "names", "natural", "patterns", "positive", "real",
    "section", "sections", "size", "size_between", "text", "unsupported", "wrong",
]  # fmt: skip

_BINARY = "KMGTPEZY"
_SIZE = re.compile(r"([0-9]{1,24})\s*(?:([KMGTPEZY])i?)?B?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})\s*([A-Za-z]*)")
_SECONDS = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_FLAGS = {"1": True, "yes": True, "true": True, "on": True,
          "0": False, "no": False, "false": False, "off": False}  # fmt: skip
_TYPE_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]!-]+")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise wrong(text, "a whole number")
    return int(text)


def between(least: int, most: int | None = None) -> Kind:
    """A whole number from `least` to `most`, both included; None means no upper limit."""
    range_ = f"of {least} or more" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        try:
            number = _integer(text)
        except ValueError:
            raise wrong(text, f"a whole number {range_}") from None
        if number < least or (most is not None and number > most):
            raise wrong(text, f"a whole number {range_}")
        return number

    return Kind(f"whole number {range_}", parse)


def _real(text: str) -> float:
    if not re.fullmatch(r"[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,3})?", text, re.I):
        raise wrong(text, "a decimal number")
    number = float(text)
    if not math.isfinite(number):
        raise wrong(text, "a decimal number")
    return number


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.strip().lower()]
    except KeyError:
        raise wrong(text, "yes or no (also on, off, true, false, 1, 0)") from None


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise wrong(text, "a size in bytes such as 65536, 64K or 64 MiB")
    power = _BINARY.index(match[2].upper()) + 1 if match[2] else 0
    return int(match[1]) << (10 * power)


def _show_size(value: int) -> str:
    power = 0
    while value and value % 1024 == 0 and power < len(_BINARY):
        value, power = value // 1024, power + 1
    return f"{value} {_BINARY[power - 1]}iB" if power else str(value)


def size_between(least: int, most: int | None = None) -> Kind:
    """A size in bytes from `least` to `most`, both included; None means no upper limit."""
    upper = "" if most is None else f" and at most {_show_size(most)}"

    def parse(text: str) -> int:
        value = _size(text)
        if value < least or (most is not None and value > most):
            raise wrong(text, f"a size of at least {_show_size(least)}{upper}")
        return value

    return Kind("size in bytes", parse, _show_size)


def duration(unit: str, least: float = 0.0, most: float = 1e9) -> Kind:
    """A time in seconds (float). A bare number is in `unit`: us, ms, s, m, h or d."""
    expected = f"a time such as 500 ms, 2 s or 1.5 m (a bare number is in {unit})"

    def parse(text: str) -> float:
        match = _TIME.fullmatch(text.strip())
        factor = _SECONDS.get(match[2] or unit) if match else None
        if not match or factor is None:
            raise wrong(text, expected)
        value = float(Fraction(match[1]) * factor)
        if value < least:
            raise wrong(text, f"a time of at least {_show_duration(least)}")
        if value > most:
            raise wrong(text, f"a time of at most {_show_duration(most)}")
        return value

    return Kind(f"time ({unit})", parse, _show_duration)


def _show_duration(value: float) -> str:
    exact = Fraction(value)
    for unit in ("h", "m", "s"):
        if value and (exact / _SECONDS[unit]).denominator == 1:
            return f"{int(exact / _SECONDS[unit])} {unit}"
    for unit in ("ms", "us"):
        number = round(exact / _SECONDS[unit])
        if number and float(number * _SECONDS[unit]) == value:
            return f"{number} {unit}"
    return f"{Decimal(repr(float(value))).normalize():f} s"


def _list(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    parts = tuple(part.strip() for part in text.split(","))
    for part in parts:
        if not part:
            raise wrong(text, "no empty element in the list (two commas, or one at an end)")
        if "\n" in part:
            raise wrong(text, "a comma between the elements, also at the end of a line")
    return parts


def list_of(kind: Kind) -> Kind:
    """A tuple of values of `kind`, separated by commas; empty text is the empty tuple."""

    def parse(text: str) -> tuple[Any, ...]:
        return tuple(kind.parse(part) for part in _list(text))

    def show(values: tuple[Any, ...]) -> str:
        return ", ".join(map(kind.show, values))

    return Kind(f"list of {kind.name}", parse, show, kind.refers)


def _mode(text: str) -> int | None:
    """The permissions of a file in octal digits, as chmod takes them; None for an empty text."""
    digits = text.strip()
    if not digits:
        return None
    if not re.fullmatch("0?[0-7]{3}", digits):
        raise ValueError("expected three octal digits as for chmod, such as 660")
    return int(digits, 8)


def _show_mode(value: int | None) -> str:
    return "" if value is None else f"{value:03o}"


def _line(text: str) -> str:
    text = text.strip()
    if "\n" in text:
        raise wrong(text, "one line")
    return text


def _file(text: str) -> str:
    text = _line(text)
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # there is no such user: the text stays as it is, as in the original
        return text


def _pattern(text: str) -> str:
    if not _TYPE_PATTERN.fullmatch(text):
        raise wrong(text, "a message type with the wildcards * ? [...], without spaces")
    return text


def _type(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text):
        raise wrong(text, "a message type: A-Z a-z 0-9 _ - between single dots")
    return text


def _word(text: str) -> str:
    if not text:
        raise wrong(text, "the word of a protocol")
    return text


def _one(text: str) -> str:
    if "," in text:
        raise wrong(text, "one address")
    return text


def _remote(text: str) -> str:
    return Address.remote(_one(text)).text


def _local(text: str) -> str:
    return Address.parse(_one(text)).text


def _listening(text: str) -> str:
    return Address.listening(_one(text)).text


def choice(*words: str, elsewhere: Mapping[str, str] | None = None) -> Kind:
    """Exactly one of these words; `elsewhere` are hints for words that are right elsewhere."""

    def parse(text: str) -> str:
        if text in words:
            return text
        hint = (elsewhere or {}).get(text.lower()) or did_you_mean(text.lower(), words)
        raise wrong(text, " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
                    + (f"; {hint}" if hint else ""))  # fmt: skip

    return Kind(" | ".join(words), parse)


def unsupported(what: str, off: tuple[str, ...] = ("",)) -> Kind:
    """An option whose feature is missing, which must not be ignored silently.

    Texts in `off` are accepted, because they switch the feature off.
    """

    def parse(text: str) -> str:
        if text in off:
            return text
        raise ValueError(f"{what} not supported yet; remove it only if no program relies on it")

    return Kind("not supported yet", parse)


def checked(name: str, parse: Callable[[str], Any], show: Callable[[Any], str] = str) -> Kind:
    """A kind that a plugin defines: its `parse` raises `wrong(text, expected)`."""
    return Kind(name, parse, show)


def _section(text: str) -> str:
    text = _line(text)
    if not text or "," in text:
        raise wrong(text, "the name of one section")
    return text


text = Kind("text", str.strip)
integer = Kind("whole number", _integer)
natural = between(0)
positive = between(1)
real = Kind("decimal number", _real, repr)
flag = Kind("yes | no", _flag, lambda value: "yes" if value else "no")
size = size_between(0)
names = list_of(Kind("name", _line))
file = Kind("file", _file)
written_file = Kind("file", _file, opens="write")
database = Kind("file", _file, opens="database")
file_mode = Kind("permissions", _mode, _show_mode)
folders = list_of(Kind("folder", _file))
address = Kind("address to connect to", _remote)
addresses = list_of(address)
listen_address = Kind("address to listen on", _local)
any_listen_address = Kind("address to listen on", _listening)
patterns = list_of(Kind("type pattern", _pattern))
message_type = Kind("message type", _type)
section = Kind("handler section", _section, refers="handler")
sections = list_of(section)
protocol = Kind("protocol", _word, refers="protocol")
daemon_sections = list_of(Kind("daemon section", _section, refers="daemon"))
