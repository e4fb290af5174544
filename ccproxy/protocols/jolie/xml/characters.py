"""The names and characters that XML has, and how the others are written. Pure."""

from __future__ import annotations

import re

_START = (
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = re.compile(rf"[{_START}][{_START}.0-9\xb7\u0300-\u036f\u203f\u2040-]*")
PLAIN = re.compile(rb"[\t\n\x20-\x25\x27-\x3b\x3d\x3f-\x7e]*+").fullmatch
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
QUOTED = {**ESCAPES, ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}


def is_name(text: str) -> bool:
    """True if an element or attribute can have this name; a colon would be a prefix."""
    return _NAME.fullmatch(text) is not None
