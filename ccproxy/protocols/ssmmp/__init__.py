"""SSMMP, the Simple Service Mesh Management Protocol: text in, frozen messages out, and back.

`Reader` finds whole messages in a byte stream, `parse` and `format` translate them, and `table`
says which messages exist. Except for `listener`, nothing here may open a socket or read a clock,
and nothing may decide what a message means.
"""

from ccproxy.protocols.ssmmp.codec import (
    FIELD,
    PREFIX,
    SsmmpCodec,
    dialect_of,
    text_of,
    type_of,
    value_of,
)
from ccproxy.protocols.ssmmp.framing import (
    MESSAGE_TIMEOUT,
    Framing,
    FramingLimits,
    Reader,
    framing_of,
)
from ccproxy.protocols.ssmmp.kinds import (
    NOWHERE,
    FieldValue,
    PlugEntry,
    SocketEntry,
    host_and_port,
    tuples,
    write_tuples,
)
from ccproxy.protocols.ssmmp.message import (
    AGENT_TO_INSTANCE,
    AGENT_TO_MANAGER,
    INSTANCE_TO_AGENT,
    MANAGER_TO_AGENT,
    Hop,
    SsmmpMessage,
    refusal,
    row_of,
    trimmed,
)
from ccproxy.protocols.ssmmp.table import FIELDS, ROWS, Actor, Edition, Row
from ccproxy.protocols.ssmmp.text import Dialect, Malformed, format, parse

__all__ = [
    "AGENT_TO_INSTANCE", "AGENT_TO_MANAGER", "FIELD", "FIELDS", "INSTANCE_TO_AGENT",
    "MANAGER_TO_AGENT", "MESSAGE_TIMEOUT", "NOWHERE", "PREFIX", "ROWS", "Actor", "Dialect",
    "Edition", "FieldValue", "Framing", "FramingLimits", "Hop", "Malformed",
    "PlugEntry", "Reader", "Row", "SocketEntry", "SsmmpCodec", "SsmmpMessage", "dialect_of",
    "format", "framing_of", "host_and_port", "parse", "refusal", "row_of", "text_of", "trimmed",
    "tuples", "type_of", "value_of", "write_tuples",
]  # fmt: skip
