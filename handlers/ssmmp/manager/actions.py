"""What the Manager answers with: a list of these, to be carried out in order.

A Record stands before every message that depends on it; whoever carries the actions out makes the
records durable first. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.wire.ssmmp import Message

from .journal import Record


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a message on the connection `peer`."""

    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection `peer` after what was sent."""

    peer: str
    why: str


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter."""

    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator may want to see: published as an event, logged at its level."""

    what: str
    subject: str
    detail: str = ""
    alarm: bool = False


Action = Record | Tell | Close | Count | Notice
