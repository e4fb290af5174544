"""Security mechanisms: objects that exchange commands until the handshake is complete.

The handshake gives every command of the peer to the mechanism and sends what it returns. One
object serves one connection. A mechanism that also encrypts messages, such as CURVE, gives a
Seal; NULL has none, so that its messages pass unchanged.
A mechanism must never see the greeting, check socket types or identities, or do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp.commands import Error, Other, ready
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.metadata import Properties, decode, encode


@dataclass(frozen=True, slots=True)
class MechanismStep:
    """What a mechanism returns: frames to send, and the peer's properties once it is complete."""

    transmit: bytes = b""
    metadata: Properties | None = None


class Mechanism(Protocol):
    """The methods that the handshake calls; a ZmtpError from any of them ends the connection."""

    @property
    def name(self) -> bytes:
        """Its name in the greeting, at most 20 bytes."""

    @property
    def as_server(self) -> bool:
        """The as-server bit of our greeting."""

    @property
    def seal(self) -> Seal | None:
        """What encrypts the connection once the handshake is complete; None: nothing does."""

    def start(self, properties: Properties) -> MechanismStep:
        """Begin after the greetings; `properties` are what the peer is to know about us."""

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take a command of the peer."""


class Null:
    """No security: both peers send READY at once, in either order."""

    name = b"NULL"
    as_server = False
    seal = None

    def start(self, properties: Properties) -> MechanismStep:
        """Send our READY."""
        return MechanismStep(ready(encode(properties)))

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take the peer's READY; ZmtpError for any other command."""
        if isinstance(command, Error) or command.name != b"READY":
            raise ZmtpError(f"{command} where READY was expected")
        return MechanismStep(metadata=decode(command.body))
