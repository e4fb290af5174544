"""The handshake of a ZMTP connection as a state machine: bytes in, events out.

    signature -+-> version -+-> greeting -> commands of the mechanism -> Ready   ZMTP 3.x
               |            +-> socket type -> identity frame ---------> Ready   ZMTP 2.0
               +-> unversioned identity -------------------------------> Ready   ZMTP 1.0
    anywhere ----------------------------------------------------------> Failed

It holds at most one greeting or one command of the peer. It must never touch a socket or a clock:
the caller limits the time that the handshake may take.
Wire facts: rfc.zeromq.org/spec/37, /spec/15 and /spec/13; where these leave a choice, it does as
libzmq does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp import greeting
from ccproxy.wire.zmtp.commands import COMMAND_MAX, Error, Ping, Pong, error, parse
from ccproxy.wire.zmtp.frames import COMMAND, LONG, ZmtpError, frame, span
from ccproxy.wire.zmtp.mechanism import Credential, Mechanism, MechanismStep, Null, Work
from ccproxy.wire.zmtp.metadata import Properties, encode
from ccproxy.wire.zmtp.sockets import (
    COMPATIBLE,
    IDENTITY_MAX,
    NAMED,
    NAMES,
    NUMBERS,
    check_identity,
    check_socket_type,
)
from ccproxy.wire.zmtp.zmtp1 import Zmtp1Frames, body_span


@dataclass(frozen=True, slots=True)
class Peer:
    """What the peer has told us about itself."""

    version: tuple[int, int]
    """The version that it announced: (3, 1), (3, 0), (2, 0); (1, 0) if it announced none."""
    socket_type: bytes
    """Empty for ZMTP 1.0, which does not tell it."""
    identity: bytes
    """Empty if the peer gave none."""
    mechanism: bytes = b"NULL"
    properties: Properties = field(default_factory=Properties, hash=False)
    """All properties of its READY; empty for ZMTP 2.0 and 1.0."""
    credential: Credential | None = None
    """Who it is, if the mechanism has proven that."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is over: messages may be sent and received."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Failed:
    """Close the connection; if `transmit` is not empty, send it before."""

    reason: str
    transmit: bytes = b""


HandshakeEvent = Transmit | Work | Ready | Failed
"""Of `Work` the caller gives the outcome to `Handshake.resume`; nothing is read until then."""


class Handshake:
    """One side of the opening of one connection."""

    def __init__(
        self,
        socket_type: bytes,
        identity: bytes = b"",
        mechanism: Mechanism | None = None,
        properties: Mapping[bytes, bytes] | None = None,
        max_command: int = COMMAND_MAX,
    ) -> None:
        """ValueError if ZMTP cannot carry our socket type, identity or properties."""
        if socket_type not in COMPATIBLE:
            raise ValueError(f"unknown socket type {socket_type!r}")
        check_identity(identity)
        self._socket_type = socket_type
        self._identity = identity
        self._mechanism: Mechanism = mechanism or Null()
        self._properties = self._described(properties or {})
        self._max_command = max_command
        self._buffer = bytearray()
        self._events: list[HandshakeEvent] = []
        self._stage: Callable[[], bool] | None = self._signature
        self._version = (0, 0)
        self._peer_socket_type = b""
        self._tells_errors = False
        self.proving = False
        """True from the greetings on until the mechanism has proven that the keys or the password
        are right, and after a failure of that."""
        self._translation: Seal | None = None

    @property
    def rest(self) -> bytes:
        """The bytes behind the handshake in the data fed so far; has a meaning after Ready."""
        return bytes(self._buffer)

    @property
    def waiting_for(self) -> str:
        """What the peer has not sent yet, for the log line about a handshake that took too long."""
        return self._stage.__name__.strip("_").replace("_", " ") if self._stage else ""

    @property
    def hint(self) -> str:
        """Why the peer may have ended the connection in the middle of the commands; or empty."""
        at_commands = self._stage is not None and self._version >= (3, 0)
        return self._mechanism.hint if at_commands else ""

    @property
    def working(self) -> bool:
        """True from `Work` on until `resume`: bytes of the peer are not looked at."""
        return self._stage == self._work

    @property
    def seal(self) -> Seal | None:
        """What changes the bytes of the connection from Ready on; None: nothing does.

        It encrypts, or it translates to the frames of ZMTP 1.0.
        """
        return self._translation or self._mechanism.seal

    def start(self) -> bytes:
        """What to send first: the signature."""
        return greeting.signature(self._identity)

    def receive(self, data: bytes) -> list[HandshakeEvent]:
        """Take bytes of the peer, cut anywhere; ignores everything after Failed."""
        if self._stage is None:
            return []
        self._buffer += data
        return self._go_on()

    def resume(self, outcome: Callable[[], MechanismStep]) -> list[HandshakeEvent]:
        """Go on with what `run` of a `Work` returns, or raises; ignored after Failed."""
        if self._stage is None:
            return []
        self._stage = self._command
        try:
            self._take(outcome())
        except ZmtpError as problem:
            self._fail(str(problem))
        return self._go_on()

    def _go_on(self) -> list[HandshakeEvent]:
        try:
            while self._stage is not None and self._stage():
                pass
        except ZmtpError as problem:
            self._fail(str(problem))
        events, self._events = self._events, []
        return events

    def _work(self) -> bool:
        return False

    def _signature(self) -> bool:
        versioned = greeting.versioned(bytes(self._buffer[:10]))
        if versioned is None:
            return False
        if versioned:
            self._events.append(Transmit(bytes((greeting.MAJOR,))))
            self._stage = self._major_version
            return True
        if self._mechanism.name != b"NULL":
            raise ZmtpError(f"ZMTP 1.0 has no {self._mechanism.name.decode()}; 3.0 needed")
        if self._identity:
            # The peer has read our signature as the header of the frame with this body.
            self._events.append(Transmit(self._identity))
        self._stage = self._unversioned_identity
        return True

    def _unversioned_identity(self) -> bool:
        found = body_span(self._buffer)
        if found is None:
            return False
        start, end = found
        if end - start > IDENTITY_MAX:
            raise ZmtpError(f"{end - start} bytes where an identity of ZMTP 1.0 was expected")
        if len(self._buffer) < end:
            return False
        identity = bytes(self._buffer[start:end])
        check_identity(identity)
        del self._buffer[:end]
        self._translation = Zmtp1Frames()
        self._finish(Peer((1, 0), b"", identity))
        return True

    def _major_version(self) -> bool:
        if len(self._buffer) < 11:
            return False
        major = self._buffer[10]
        if major in (0, 2):
            raise ZmtpError(f"ZMTP revision {major}; 1 (ZMTP 2.0) or 3 and later expected")
        if major == 1 and self._mechanism.name != b"NULL":
            raise ZmtpError(f"ZMTP 2.0 has no {self._mechanism.name.decode()}; 3.0 needed")
        if major == 1:
            opening = bytes((NUMBERS[self._socket_type],)) + frame(self._identity)
            self._stage = self._revision_1_socket_type
        else:
            opening = b"" if self._mechanism.silent else self._closing()
            self._stage = self._greeting
        if opening:
            self._events.append(Transmit(opening))
        return True

    def _closing(self) -> bytes:
        return greeting.closing(self._mechanism.name, self._mechanism.as_server)

    def _revision_1_socket_type(self) -> bool:
        if len(self._buffer) < 12:
            return False
        number = self._buffer[11]
        name = NAMES.get(number, f"type {number}".encode())
        check_socket_type(self._socket_type, name)
        del self._buffer[:12]
        self._stage = self._identity_frame
        self._peer_socket_type = name
        return True

    def _identity_frame(self) -> bool:
        found = span(self._buffer, 0)
        if found is None:
            return False
        flags, start, end = found
        if flags & ~LONG or end - start > IDENTITY_MAX:
            raise ZmtpError(f"flags {flags}, {end - start} bytes where an identity was expected")
        if len(self._buffer) < end:
            return False
        identity = bytes(self._buffer[start:end])
        check_identity(identity)
        del self._buffer[:end]
        self._finish(Peer((2, 0), self._peer_socket_type, identity))
        return True

    def _greeting(self) -> bool:
        if len(self._buffer) < greeting.GREETING_SIZE:
            return False
        self._version = (self._buffer[10], self._buffer[11])
        name = bytes(self._buffer[12:32]).rstrip(b"\0")
        ours = self._mechanism.name
        if name != ours:
            found = name.decode("ascii", "backslashreplace") or "none"
            raise ZmtpError(f"security mechanism {found}; {ours.decode()} expected")
        del self._buffer[: greeting.GREETING_SIZE]
        if self._mechanism.silent:
            self._events.append(Transmit(self._closing()))
        self._tells_errors = not self._mechanism.silent
        self.proving = ours != Null.name
        self._stage = self._command
        self._take(self._mechanism.start(self._properties))
        return True

    def _command(self) -> bool:
        found = span(self._buffer, 0)
        if found is None:
            return False
        flags, start, end = found
        # COMMAND need not be set: libzmq too checks only that MORE is not set.
        if flags & ~(COMMAND | LONG):
            raise ZmtpError(f"frame flags 0x{flags:02x} where a command was expected")
        if end - start > self._max_command:
            raise ZmtpError(f"command of {end - start} bytes; limit {self._max_command}")
        if len(self._buffer) < end:
            return False
        body = bytes(self._buffer[start:end])
        del self._buffer[:end]
        self._handle(body)
        return True

    def _handle(self, body: bytes) -> None:
        command = parse(body)
        if isinstance(command, Error):
            self._tells_errors = False
            raise ZmtpError(f"the peer refused us: {command.reason or 'no reason given'}")
        if isinstance(command, Ping | Pong):
            raise ZmtpError(f"{type(command).__name__.upper()} before the handshake was over")
        self._take(self._mechanism.receive(command))

    def _take(self, step: MechanismStep) -> None:
        if step.transmit:
            self._events.append(Transmit(step.transmit))
        if step.work is not None:
            self._events.append(step.work)
            self._stage = self._work
        if step.metadata is None:
            return
        name = step.metadata.get(b"Socket-Type", b"")
        identity = step.metadata.get(b"Identity", b"")
        check_socket_type(self._socket_type, name)
        check_identity(identity)
        self.proving = False
        found = self._mechanism
        facts = found.name, step.metadata, found.credential
        self._finish(Peer(self._version, name, identity, *facts))

    def _finish(self, peer: Peer) -> None:
        self._stage = None
        self._events.append(Ready(peer))

    def _fail(self, reason: str) -> None:
        self._stage = None
        self._buffer.clear()
        self._events.append(Failed(reason, error(reason) if self._tells_errors else b""))

    def _described(self, properties: Mapping[bytes, bytes]) -> Properties:
        known = {b"Socket-Type": self._socket_type}
        if self._socket_type in NAMED:
            known[b"Identity"] = self._identity
        described = Properties(known | dict(properties))
        encode(described)
        return described
