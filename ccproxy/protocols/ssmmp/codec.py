"""SSMMP as typed messages of the switch: `ssmmp.<message type>`, the text in the field `text`.

The neutral value of a message is `{"text": TEXT}`, with TEXT in any of the three framings. Inside
CC the same message is the JSON field `text` behind the type `ssmmp.<message type>`, so that it can
pass any number of servers, and a handler reads both in the same way: `parse(value["text"])`. It is
not put into the blob, so that logs show it. It must never do I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccproxy.protocols.ssmmp.framing import Framing, framing_of
from ccproxy.protocols.ssmmp.kinds import host_and_port
from ccproxy.protocols.ssmmp.message import SsmmpMessage
from ccproxy.protocols.ssmmp.table import Edition
from ccproxy.protocols.ssmmp.text import Dialect, Malformed, format, parse

PREFIX = "ssmmp."
"""The first part of the switch's types; the message type follows it."""

FIELD = "text"
"""The JSON field that carries the text."""


def type_of(message: SsmmpMessage) -> str:
    """The type under which the switch carries a message."""
    return PREFIX + message.type


def value_of(message: SsmmpMessage, edition: Edition = Edition.BASE) -> dict[str, Any]:
    """The neutral value of a message, which is also its JSON inside CC."""
    return {FIELD: format(message, Dialect(edition=edition)).decode()}


def text_of(value: Mapping[str, Any]) -> str:
    """The text in a neutral value; ValueError if there is none."""
    text = value.get(FIELD)
    if not isinstance(text, str):
        raise ValueError(f"field {FIELD!r} is {text!r:.80}, expected the text of an SSMMP message")
    return text


def dialect_of(first: bytes, edition: Edition = Edition.BASE) -> Dialect:
    """How to write to a peer, derived from the first message that it sent."""
    text = first.decode("utf-8", "replace")
    framing = framing_of(text.partition("\n")[0])
    own = ""
    if framing is Framing.SEMICOLON:
        for part in text.split(";"):
            name, _, contents = part.partition(":")
            if name.strip().lower() == "agent_network_address" and _has_port(contents.strip()):
                own = contents.strip()
    return Dialect(framing, edition, own)


def _has_port(address: str) -> bool:
    try:
        return host_and_port(address)[1] > 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SsmmpCodec:
    """The `ccproxy.core.message.Codec` of one plain SSMMP peer; a payload is one message."""

    dialect: Dialect = Dialect()

    def decode(self, type: str, payload: Sequence[bytes]) -> dict[str, Any]:
        """The neutral value of a payload; ValueError if it is not UTF-8 text."""
        if not payload:
            raise ValueError("no text behind the message type")
        return {FIELD: str(payload[0], "utf-8")}

    def encode(
        self, type: str, value: Mapping[str, Any], blob: bytes | None = None
    ) -> tuple[bytes, ...]:
        """The bytes for this peer, in its framing; ValueError if the value holds no message."""
        try:
            return (format(parse(text_of(value)), self.dialect),)
        except Malformed as error:
            raise ValueError(f"SSMMP cannot carry this value of {type}: {error}") from None

    def blob(self, payload: Sequence[bytes]) -> bytes | None:
        """No message has one."""
        return None
