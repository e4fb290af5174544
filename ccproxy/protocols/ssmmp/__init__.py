"""SSMMP, the Simple Service Mesh Management Protocol: text in, frozen messages out, and back.

`Reader` finds whole units in a byte stream, `parse` and `format` translate, `table` says which
messages exist. Nothing here opens a socket, reads a clock, or decides what a message means.
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
from ccproxy.protocols.ssmmp.framing import SECONDS, Framing, Limits, Reader, framing_of
from ccproxy.protocols.ssmmp.kinds import (
    NOWHERE,
    Plug,
    Socket,
    Value,
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
    Message,
    refusal,
    row_of,
    trimmed,
)
from ccproxy.protocols.ssmmp.table import FIELDS, ROWS, Actor, Edition, Row
from ccproxy.protocols.ssmmp.text import Dialect, Malformed, format, parse

__all__ = [
    "AGENT_TO_INSTANCE", "AGENT_TO_MANAGER", "FIELD", "FIELDS", "INSTANCE_TO_AGENT",
    "MANAGER_TO_AGENT", "NOWHERE", "PREFIX", "ROWS", "SECONDS", "Actor", "Dialect", "Edition",
    "Framing", "Hop", "Limits", "Malformed", "Message", "Plug", "Reader", "Row", "Socket",
    "SsmmpCodec", "Value", "dialect_of", "format", "framing_of", "host_and_port", "parse",
    "refusal", "row_of", "text_of", "trimmed", "tuples", "type_of", "value_of", "write_tuples",
]  # fmt: skip
