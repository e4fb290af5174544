"""The client's side of CURVE, for one connection: HELLO out, WELCOME in, INITIATE out, READY in."""

from __future__ import annotations

import os

from ccproxy.wire.zmtp import frames
from ccproxy.wire.zmtp.commands import Error, Other
from ccproxy.wire.zmtp.curve import (
    LONGEST_FRAME,
    CurveSeal,
    SessionKeys,
    boxed,
    counter_bytes,
    counter_of,
    shared_key,
    unboxed,
)
from ccproxy.wire.zmtp.curve_keys import KeyPair, Random, key_text
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.mechanism import Credential, MechanismStep, expected
from ccproxy.wire.zmtp.metadata import Properties, decode, encode

WELCOME_SIZE = 160
READY_MIN = 24


class CurveClient:
    """See `ccproxy.wire.zmtp.mechanism.Mechanism`; `server` is the key the server must have."""

    name = b"CURVE"
    as_server = False
    silent = False

    def __init__(
        self,
        server: bytes,
        keys: KeyPair,
        longest: int = LONGEST_FRAME,
        random: Random = os.urandom,
    ) -> None:
        self.seal: CurveSeal | None = None
        self.credential = Credential("curve", key_text(server))
        self._server = server
        self._keys = keys
        self._longest = longest
        self._random = random
        self._ours = KeyPair.of(random(32))
        self._theirs = b""
        self._properties = Properties()
        self._received = 0

    @property
    def hint(self) -> str:
        """What an end of the connection at this point means."""
        if not self._theirs:
            return "closed by the peer after our HELLO: curve-server is not its key"
        return "closed by the peer after our INITIATE: our key is not allowed there"

    def start(self, properties: Properties) -> MechanismStep:
        """Send HELLO."""
        self._properties = properties
        shared = shared_key(self._server, self._ours.secret, "curve-server")
        box = boxed(bytes(64), b"CurveZMQHELLO---" + counter_bytes(1), shared)
        hello = b"\x01\x00" + bytes(72) + self._ours.public + counter_bytes(1) + box
        return MechanismStep(frames.command(b"HELLO", hello))

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take WELCOME, then READY; ZmtpError for anything else."""
        if self._theirs:
            return self._ready(expected(command, b"READY"))
        return self._initiate(expected(command, b"WELCOME"))

    def _initiate(self, welcome: bytes) -> MechanismStep:
        if len(welcome) != WELCOME_SIZE:
            raise ZmtpError(f"WELCOME of {len(welcome)} bytes; {WELCOME_SIZE} expected")
        shared = shared_key(self._server, self._ours.secret, "curve-server")
        text = unboxed(welcome[16:], b"WELCOME-" + welcome[:16], shared, "WELCOME")
        self._theirs, cookie = text[:32], text[32:]
        nonce = self._random(16)
        known = shared_key(self._theirs, self._keys.secret, "WELCOME")
        vouch = boxed(self._ours.public + self._server, b"VOUCH---" + nonce, known)
        text = self._keys.public + nonce + vouch + encode(self._properties)
        shared = shared_key(self._theirs, self._ours.secret, "WELCOME")
        box = boxed(text, b"CurveZMQINITIATE" + counter_bytes(2), shared)
        return MechanismStep(frames.command(b"INITIATE", cookie + counter_bytes(2) + box))

    def _ready(self, ready: bytes) -> MechanismStep:
        if len(ready) < READY_MIN:
            raise ZmtpError(f"READY of {len(ready)} bytes; {READY_MIN} or more expected")
        received = counter_of(ready[:8], 0, "READY")
        shared = shared_key(self._theirs, self._ours.secret, "READY")
        text = unboxed(ready[8:], b"CurveZMQREADY---" + ready[:8], shared, "READY")
        session = SessionKeys(self._ours, self._theirs, 2, received)
        self.seal = CurveSeal(session, False, self._longest)
        return MechanismStep(metadata=decode(text))
