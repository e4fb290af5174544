"""Security mechanisms: objects that talk in commands until two peers know each other.

The handshake hands every command of the peer to the mechanism and sends what it returns. One
object serves one connection. A mechanism that also seals traffic (CURVE) will get two more
methods, for messages out and in; NULL has none, so that its traffic is never touched.
A mechanism must never see the greeting, judge socket types or identities, or do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ccproxy.wire.zmtp.commands import Error, Other, ready
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.metadata import Properties, decode, encode


@dataclass(frozen=True, slots=True)
class Step:
    """What a mechanism answers: frames to send, and the peer's properties once it is done."""

    transmit: bytes = b""
    metadata: Properties | None = None


class Mechanism(Protocol):
    """What the handshake asks of a mechanism; ZmtpError from any method ends the connection."""

    @property
    def name(self) -> bytes:
        """As in the greeting, at most 20 bytes."""

    @property
    def as_server(self) -> bool:
        """The as-server bit of our greeting."""

    def start(self, properties: Properties) -> Step:
        """The greetings agree; `properties` are what the peer is to know of us."""

    def receive(self, command: Error | Other) -> Step:
        """A command of the peer; an Error never gets here unless the mechanism wants it."""


class Null:
    """No security: both send READY at once, in either order."""

    name = b"NULL"
    as_server = False

    def start(self, properties: Properties) -> Step:
        """Our READY."""
        return Step(ready(encode(properties)))

    def receive(self, command: Error | Other) -> Step:
        """The peer's READY; ZmtpError for anything else."""
        if isinstance(command, Error) or command.name != b"READY":
            raise ZmtpError(f"{command} where READY was expected")
        return Step(metadata=decode(command.body))
