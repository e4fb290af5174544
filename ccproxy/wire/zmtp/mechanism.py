"""Security mechanisms: objects that exchange commands until the handshake is complete.

The handshake gives every command of the peer to the mechanism and sends what it returns. One
object serves one connection. A mechanism that also encrypts messages, such as CURVE, gives a
Seal; NULL has none, so that its messages pass unchanged. An answer that takes time is a `Work`:
the caller decides when and where it is done, and the handshake waits for it.
A mechanism must never see the greeting, check socket types or identities, or do I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp.commands import Error, Other, ready
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.metadata import Properties, decode, encode


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a peer is, proven by a mechanism."""

    kind: str
    """curve or plain: the name of the option in `[allow:NAME]` as well."""
    value: str
    """The public key in Z85, or the name of the user."""
    proof: str = ""
    """What a user's password was checked with; empty for keys, which prove themselves."""


@dataclass(frozen=True, slots=True)
class Work:
    """The rest of a step: call `run` for it, whose ZmtpError ends the connection.

    It takes about 0.1 ms, or tens of milliseconds if it is `slow`: then any thread may run it.
    """

    run: Callable[[], MechanismStep]
    slow: bool = False


@dataclass(frozen=True, slots=True)
class MechanismStep:
    """What a mechanism returns: frames to send, and the peer's properties once it is complete.

    With `work` it is not known yet, and the handshake waits.
    """

    transmit: bytes = b""
    metadata: Properties | None = None
    work: Work | None = None


class Mechanism(Protocol):
    """The methods that the handshake calls; a ZmtpError from any of them ends the connection."""

    @property
    def name(self) -> bytes:
        """Its name in the greeting, at most 20 bytes."""

    @property
    def as_server(self) -> bool:
        """The as-server bit of our greeting."""

    @property
    def silent(self) -> bool:
        """True: a peer that fails is told nothing, and our greeting waits for that of the peer.

        libzmq never tries again after an ERROR, nor after a greeting with another mechanism than
        its own, but it does after an end of the connection.
        """

    @property
    def hint(self) -> str:
        """Why the peer may have ended the connection now."""

    @property
    def credential(self) -> Credential | None:
        """Who the peer is; None before that is proven, and where nothing proves it."""

    @property
    def seal(self) -> Seal | None:
        """What encrypts the connection once the handshake is complete; None: nothing does."""

    def start(self, properties: Properties) -> MechanismStep:
        """Begin after the greetings; `properties` are what the peer is to know about us."""

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take a command of the peer."""


def expected(command: Error | Other, name: bytes) -> bytes:
    """The body of the command of this name; ZmtpError for any other."""
    if isinstance(command, Error) or command.name != name:
        found = "ERROR" if isinstance(command, Error) else repr(command.name)[2:-1]
        raise ZmtpError(f"{found} where {name.decode()} was expected")
    return command.body


class Null:
    """No security: both peers send READY at once, in either order."""

    name = b"NULL"
    as_server = False
    silent = False
    hint = "closed by the peer before its READY, often a wrong socket type or mechanism"
    seal = None
    credential = None

    def start(self, properties: Properties) -> MechanismStep:
        """Send our READY."""
        return MechanismStep(ready(encode(properties)))

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take the peer's READY; ZmtpError for any other command."""
        return MechanismStep(metadata=decode(expected(command, b"READY")))
