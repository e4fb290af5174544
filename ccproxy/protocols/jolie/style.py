"""How a protocol of calls writes and reads what has several forms: bodies, types, raw.

It must never know which protocol looks at it; one that has no use for a field ignores it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.config import kinds
from ccproxy.config.options import option
from ccproxy.protocols.jolie.xml.types import Types, TypesFile, read
from ccproxy.protocols.jolie.xml.writing import XmlStyle

FORMATS = ("auto", "json", "xml")
"""What bodies over `http` are: JSON as long as the service takes it, always JSON, always XML."""
NUMBERS = ("strings", "infer")
BASE64 = "base64"
RAW = ("refuse", BASE64)


def types_file() -> TypesFile | None:
    """The option `types`."""
    found: TypesFile | None = option(
        kinds.checked("file", _types, lambda value: str(value or "")), default=None,
        help="INI with the fields of operations that are no strings, for XML, which does not say "
        "it; empty = none",
    )  # fmt: skip
    return found


def numbers() -> str:
    """The option `numbers`."""
    found: str = option(
        kinds.choice(*NUMBERS), default="strings",
        help="what texts of XML are that look like numbers and have no type",
    )  # fmt: skip
    return found


def raw() -> str:
    """The option `raw`."""
    found: str = option(
        kinds.choice(*RAW), default="refuse",
        help="what becomes of raw values where bodies are texts: a fault, or base64",
    )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class CallStyle:
    """What the section of a listener or of a redirect asks for."""

    format: str = "auto"
    """One of `FORMATS`; of a redirect."""
    types: Types = Types()
    """How texts of XML are read, and whether raw is base64."""
    namespace: str = ""
    """That of the operations, in soap."""
    fault_status: int = 500
    """The status of a soap fault; of a listener."""

    @property
    def base64(self) -> bool:
        """True if raw values are written as base64."""
        return self.types.base64

    def xml(self, typed: bool = False) -> XmlStyle:
        """How XML is written; `typed` with `xsi:type`, as soap has it."""
        return XmlStyle(typed, self.base64)


def _types(text: str) -> TypesFile | None:
    return read(text) if text.strip() else None
