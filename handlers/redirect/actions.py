"""What the core asks its surroundings to do. Values only; connections are numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ccproxy.protocols.jolie.values import Answer

from .location import Location


@dataclass(frozen=True, slots=True)
class Open:
    """Connect to a location; tell `opened` or `refused` with the same number."""

    connection: int
    location: Location


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection; nothing more is told about it."""

    connection: int


class Write(NamedTuple):
    """Write a request, as `Form.request` made it, through the connection's `ServiceSide`.

    If it cannot be written, tell `unsent` with the same numbers.
    """

    connection: int
    request: Any
    id: int


class Respond(NamedTuple):
    """Answer a caller; `caller` is what `ask` was given."""

    caller: Any
    answer: Answer


Action = Open | Close | Write | Respond
