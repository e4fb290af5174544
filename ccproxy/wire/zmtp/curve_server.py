"""The server's side of CURVE, for one connection: HELLO in, WELCOME out, INITIATE in, READY out.

Before INITIATE it holds nothing that a stranger has sent: what it needs of HELLO goes to the client
and comes back in the cookie. The cookie's key belongs to this connection alone, so that a recorded
INITIATE cannot be used for another. Each command is answered in a `Work`, because it costs about
0.1 ms: the caller decides when it is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
from ccproxy.wire.zmtp.mechanism import Credential, MechanismStep, Work, expected
from ccproxy.wire.zmtp.metadata import Properties, decode, encode

HELLO_SIZE = 194
COOKIE_SIZE = 96
INITIATE_MIN = COOKIE_SIZE + 8 + 16 + 128
VERSION = b"\x01\x00"

Admit = Callable[[Credential], str]
"""Says why a peer with this credential may not connect; "" if it may."""


@dataclass(frozen=True, slots=True)
class CurveServerConfig:
    """What all connections of a listener have in common; `longest` is the longest frame."""

    keys: KeyPair
    admit: Admit
    silent: bool = True
    longest: int = LONGEST_FRAME


class CurveServer:
    """See the module and `ccproxy.wire.zmtp.mechanism.Mechanism`."""

    name = b"CURVE"
    as_server = True

    def __init__(self, config: CurveServerConfig, random: Random = os.urandom) -> None:
        self.silent = config.silent
        self.seal: CurveSeal | None = None
        self.credential: Credential | None = None
        self._config = config
        self._random = random
        self._cookie_key = random(32)
        self._properties = Properties()
        self._expected = b"HELLO"
        self._received = 0

    @property
    def hint(self) -> str:
        """What an end of the connection at this point means."""
        if self._expected == b"HELLO":
            return "closed by the peer before its HELLO"
        return "closed by the peer before its INITIATE: it expects another key of ours"

    def start(self, properties: Properties) -> MechanismStep:
        """Wait for HELLO."""
        self._properties = properties
        return MechanismStep()

    def receive(self, command: Error | Other) -> MechanismStep:
        """Take HELLO, then INITIATE; ZmtpError for anything else."""
        body = expected(command, self._expected)
        answer = self._welcome if self._expected == b"HELLO" else self._ready
        return MechanismStep(work=Work(partial(answer, body)))

    def _welcome(self, hello: bytes) -> MechanismStep:
        if len(hello) != HELLO_SIZE or hello[:2] != VERSION:
            raise ZmtpError(f"HELLO of {len(hello)} bytes; {HELLO_SIZE} of CURVE 1.0 expected")
        client, counter = hello[74:106], hello[106:114]
        self._received = counter_of(counter, 0, "HELLO")
        shared = shared_key(client, self._config.keys.secret, "HELLO")
        unboxed(hello[114:], b"CurveZMQHELLO---" + counter, shared, "HELLO")
        ours = KeyPair.of(self._random(32))
        nonce = self._random(16)
        cookie = nonce + boxed(client + ours.secret, b"COOKIE--" + nonce, self._cookie_key)
        nonce = self._random(16)
        box = boxed(ours.public + cookie, b"WELCOME-" + nonce, shared)
        self._expected = b"INITIATE"
        return MechanismStep(frames.command(b"WELCOME", nonce + box))

    def _ready(self, initiate: bytes) -> MechanismStep:
        if len(initiate) < INITIATE_MIN:
            raise ZmtpError(f"INITIATE of {len(initiate)} bytes; {INITIATE_MIN} or more expected")
        cookie, counter, box = initiate[:96], initiate[96:104], initiate[104:]
        nonce = b"COOKIE--" + cookie[:16]
        held = unboxed(cookie[16:], nonce, self._cookie_key, "the cookie of INITIATE")
        client, ours = held[:32], KeyPair.of(held[32:])
        self._received = counter_of(counter, self._received, "INITIATE")
        shared = shared_key(client, ours.secret, "INITIATE")
        text = unboxed(box, b"CurveZMQINITIATE" + counter, shared, "INITIATE")
        permanent, nonce, vouch = text[:32], b"VOUCH---" + text[32:48], text[48:128]
        known = shared_key(permanent, ours.secret, "INITIATE")
        vouched = unboxed(vouch, nonce, known, "the vouch of INITIATE")
        if vouched != client + self._config.keys.public:
            raise ZmtpError("INITIATE vouches for other keys")
        self.credential = Credential("curve", key_text(permanent))
        refusal = self._config.admit(self.credential)
        if refusal:
            raise ZmtpError(refusal)
        metadata = decode(text[128:])
        self._expected = b""
        session = SessionKeys(ours, client, 1, self._received)
        self.seal = CurveSeal(session, True, self._config.longest)
        counter = counter_bytes(1)
        box = boxed(encode(self._properties), b"CurveZMQREADY---" + counter, shared)
        return MechanismStep(frames.command(b"READY", counter + box), metadata)
