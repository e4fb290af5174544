"""What the Manager answers with: a list of these, to be carried out in order.

A Record stands before every message that depends on it: the caller makes the records durable before
it sends the message. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.protocols.ssmmp import SsmmpMessage

from ...journal import Record
from ...notices import Count, Notice


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a message on the connection `peer`."""

    peer: str
    message: SsmmpMessage


@dataclass(frozen=True, slots=True)
class ClosePeer:
    """Close the connection `peer` after what was sent."""

    peer: str
    why: str


Action = Record | Tell | ClosePeer | Count | Notice
