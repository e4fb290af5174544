"""SSMMP as typed messages of the switch: `ssmmp.<message type>`, the text in the field `text`.

The neutral value of a message is `{"text": TEXT}`, TEXT in any of the three framings. So the same
message travels inside CC as JSON field `text` behind the type `ssmmp.<message type>`, through any
number of servers, and a handler reads both alike: `parse(value["text"])`. The text was chosen
rather than the blob because it is text, and shows in every log and tap. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccproxy.protocols.ssmmp.framing import Framing, framing_of
from ccproxy.protocols.ssmmp.kinds import host_and_port
from ccproxy.protocols.ssmmp.message import Message
from ccproxy.protocols.ssmmp.table import Edition
from ccproxy.protocols.ssmmp.text import Dialect, Malformed, format, parse

PREFIX = "ssmmp."
"""What stands in front of the message type in the types of the switch."""

FIELD = "text"
"""The JSON field that carries the text."""


def type_of(message: Message) -> str:
    """The type under which the switch carries a message."""
    return PREFIX + message.type


def value_of(message: Message, edition: Edition = Edition.BASE) -> dict[str, Any]:
    """The neutral value of a message; also its JSON inside CC."""
    return {FIELD: format(message, Dialect(edition=edition)).decode()}


def text_of(value: Mapping[str, Any]) -> str:
    """The text in a neutral value; ValueError if there is none."""
    text = value.get(FIELD)
    if not isinstance(text, str):
        raise ValueError(f"field {FIELD!r} is {text!r:.80}, expected the text of an SSMMP message")
    return text


def dialect_of(first: bytes, edition: Edition = Edition.BASE) -> Dialect:
    """How to write to a peer, seen from the first unit it sent."""
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
    """`ccproxy.core.message.Codec` for one plain SSMMP peer; the payload is one unit."""

    dialect: Dialect = Dialect()

    def decode(self, type: str, payload: Sequence[bytes]) -> dict[str, Any]:
        """The neutral value of a unit; ValueError if it is not UTF-8 text."""
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
