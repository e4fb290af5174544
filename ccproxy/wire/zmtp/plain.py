"""PLAIN, both sides: a name and a password as they are, for networks without eavesdroppers.

    client  HELLO (name, password) -> server
            <---------------- WELCOME
            INITIATE (properties) -->
            <----- READY (properties)

A password is checked in a `Work`, because that is to take tens of milliseconds.
Wire facts: rfc.zeromq.org/spec/24. It must never put a password into a text.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.wire.zmtp import frames
from ccproxy.wire.zmtp.commands import Error, Other, ready
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.mechanism import Credential, MechanismStep, Work, expected
from ccproxy.wire.zmtp.metadata import Properties, decode, encode

LONGEST = 255
"""Bytes of the longest name and the longest password."""

CheckPassword = Callable[[str, bytes], Credential]
"""The credential of a user with this password; ZmtpError if there is none. It may take long."""


class PlainServer:
    """See `ccproxy.wire.zmtp.mechanism.Mechanism`."""

    name = b"PLAIN"
    as_server = True
    seal = None

    def __init__(self, check: CheckPassword, silent: bool = True) -> None:
        self.silent = silent
        self.credential: Credential | None = None
        self._check = check
        self._properties = Properties()

    @property
    def hint(self) -> str:
        """What an end of the connection at this point means."""
        return "closed by the peer before its " + ("INITIATE" if self.credential else "HELLO")

    def start(self, properties: Properties) -> MechanismStep:
        """Wait for HELLO."""
        self._properties = properties
        return MechanismStep()

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take HELLO, then INITIATE; ZmtpError for anything else."""
        if self.credential is not None:
            metadata = decode(expected(command, b"INITIATE"))
            return MechanismStep(ready(encode(self._properties)), metadata)
        user, rest = _text(expected(command, b"HELLO"))
        password, rest = _text(rest)
        if rest:
            raise ZmtpError(f"HELLO with {len(rest)} bytes behind the password")
        name = user.decode("utf-8", "backslashreplace")
        return MechanismStep(work=Work(lambda: self._welcome(name, password), slow=True))

    def _welcome(self, user: str, password: bytes) -> MechanismStep:
        self.credential = self._check(user, password)
        return MechanismStep(frames.command(b"WELCOME"))


class PlainClient:
    """See `ccproxy.wire.zmtp.mechanism.Mechanism`."""

    name = b"PLAIN"
    as_server = False
    silent = False
    seal = None

    def __init__(self, user: bytes, password: bytes) -> None:
        """ValueError if PLAIN cannot carry the name or the password."""
        if not 0 < len(user) <= LONGEST or len(password) > LONGEST:
            raise ValueError(f"a name has 1 to {LONGEST} bytes, a password at most {LONGEST}")
        self.credential = None
        self._hello = b"".join((bytes((len(user),)), user, bytes((len(password),)), password))
        self._welcomed = False
        self._properties = Properties()

    @property
    def hint(self) -> str:
        """What an end of the connection at this point means."""
        if not self._welcomed:
            return "closed by the peer after our HELLO: it does not take our name and password"
        return "closed by the peer after our INITIATE"

    def start(self, properties: Properties) -> MechanismStep:
        """Send HELLO."""
        self._properties = properties
        return MechanismStep(frames.command(b"HELLO", self._hello))

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take WELCOME, then READY; ZmtpError for anything else."""
        if self._welcomed:
            return MechanismStep(metadata=decode(expected(command, b"READY")))
        if expected(command, b"WELCOME"):
            raise ZmtpError("WELCOME with a body")
        self._welcomed = True
        return MechanismStep(frames.command(b"INITIATE", encode(self._properties)))


def _text(data: bytes) -> tuple[bytes, bytes]:
    """A text with its length in front, and what follows it; ZmtpError if it is cut off."""
    size = data[0] if data else 0
    if len(data) < 1 + size:
        raise ZmtpError(f"HELLO ends {1 + size - len(data)} bytes too early")
    return data[1 : 1 + size], data[1 + size :]
