"""What an output port asks its connections to do: values only.

A connection is named by a number, which the port has chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ccproxy.protocols.jolie.values import Answer

from .location import Location


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Connect to a location; call `opened` or `refused` with the same number afterwards."""

    connection: int
    location: Location


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close a connection; the port hears no more of it."""

    connection: int


class WriteRequest(NamedTuple):
    """Write a request, as `Form.request` made it, through the connection's `ServiceSide`.

    If it cannot be written, call `unsent` with the same numbers.
    """

    connection: int
    request: Any
    id: int


class Respond(NamedTuple):
    """Answer a caller; `caller` is the one that `ask` was given."""

    caller: Any
    answer: Answer


PortAction = OpenConnection | CloseConnection | WriteRequest | Respond
