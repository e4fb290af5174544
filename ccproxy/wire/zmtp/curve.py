"""What both sides of CURVE have in common: the boxes of the handshake, and the seal behind it.

    client  HELLO -------> server     C', and a box that proves that the client knows the server
            <----- WELCOME            S', and a cookie for the server itself
            INITIATE ---->            the cookie, C, a vouch for C', properties
            <------- READY            properties
            <---- MESSAGE ---->       each frame in a box of its own

S and C are the permanent keys of the two, S' and C' those of this one connection. All nonces of one
direction come from one counter, so that nothing can be sent twice.
Wire facts: rfc.zeromq.org/spec/26. It must never keep a permanent secret key: those of the two
mechanisms are in `curve_server` and `curve_client`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nacl import bindings, exceptions

from ccproxy.wire.zmtp import boxes, sodium
from ccproxy.wire.zmtp.curve_keys import KeyPair
from ccproxy.wire.zmtp.frames import LONG, MORE, ZmtpError, span

try:
    from ccproxy.wire.zmtp import _boxes
except ImportError:
    _boxes = None  # type: ignore[assignment]

FROM_CLIENT, FROM_SERVER = b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES"
"""Prefixes of the nonces of messages."""
LONGEST_FRAME = 64 * 1024 * 1024
COUNTER_SIZE = 8


@dataclass(frozen=True, slots=True)
class Boxes:
    """The hot functions, and where those of libsodium are that they call; zeros: PyNaCl's are."""

    seal: Callable[[bytes, bytearray, int, tuple[int, ...]], tuple[bytes, int]] = boxes.seal_frames
    open: Callable[[bytes, bytearray, int, int, tuple[int, ...]], tuple[bytes, int, int, int]] = (
        boxes.open_frames
    )
    addresses: tuple[int, int, int] = sodium.NOWHERE


PLAIN_BOXES = Boxes()
TRIAL = bytes((MORE, 3)) + b"one" + bytes((LONG, 0, 0, 0, 0, 0, 0, 1, 44)) + bytes(300)


def fastest_boxes(found: tuple[int, int, int]) -> Boxes:
    """The compiled functions if there are any and the addresses for them were `found`, and if they
    make the same boxes as PyNaCl."""
    if _boxes is None or 0 in found:
        return PLAIN_BOXES
    fast = Boxes(_boxes.seal_frames, _boxes.open_frames, found)
    shared = bytes(range(32))
    sealed = PLAIN_BOXES.seal(TRIAL, secrets(shared, FROM_CLIENT, PLAIN_BOXES), 0, sodium.NOWHERE)
    use = secrets(shared, FROM_CLIENT, fast)
    if fast.seal(TRIAL, use, 0, found) != sealed:
        return PLAIN_BOXES
    opened = fast.open(sealed[0], use, 0, len(TRIAL), found)[0]
    return fast if opened == TRIAL else PLAIN_BOXES


def secrets(shared: bytes, prefix: bytes, use: Boxes) -> bytearray:
    """What the functions need of one direction: key, prefix of nonces, room for the counter."""
    key = sodium.message_key(shared, prefix, use.addresses[2])
    return bytearray(key + prefix + bytes(COUNTER_SIZE))


FASTEST_BOXES = fastest_boxes(sodium.addresses())


def boxed(text: bytes, nonce: bytes, shared: bytes) -> bytes:
    """A text encrypted with a shared key."""
    return bindings.crypto_box_afternm(text, nonce, shared)


def unboxed(text: bytes, nonce: bytes, shared: bytes, what: str) -> bytes:
    """The text in a box; ZmtpError if it was not made with this key and nonce."""
    try:
        return bindings.crypto_box_open_afternm(text, nonce, shared)
    except (exceptions.CryptoError, exceptions.ValueError) as error:
        raise ZmtpError(f"{what} cannot be opened with our keys") from error


def shared_key(public: bytes, secret: bytes, what: str) -> bytes:
    """What only the owners of two pairs know; ZmtpError for a public key that is none."""
    try:
        return bindings.crypto_box_beforenm(public, secret)
    except exceptions.RuntimeError as error:  # a point of small order gives the same for all
        raise ZmtpError(f"{what} has a public key that is none") from error


def counter_of(data: bytes, after: int, what: str) -> int:
    """The counter of 8 bytes in a command; ZmtpError unless it is behind that of the last one."""
    found = int.from_bytes(data, "big")
    if found <= after:
        raise ZmtpError(f"{what} with the nonce {found} behind {after}")
    return found


def counter_bytes(counter: int) -> bytes:
    """A counter as it stands in nonces and commands."""
    return counter.to_bytes(COUNTER_SIZE, "big")


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What the handshake leaves: the pair of this connection, the peer's key, both counters."""

    ours: KeyPair
    theirs: bytes
    sent: int
    received: int


class CurveSeal:
    """Both directions of one connection; a Seal, see `ccproxy.wire.seal`."""

    def __init__(
        self,
        session: SessionKeys,
        as_server: bool,
        longest: int = LONGEST_FRAME,
        functions: Boxes = FASTEST_BOXES,
    ) -> None:
        """`longest` is the size in bytes of the longest frame that is opened."""
        shared = shared_key(session.theirs, session.ours.secret, "the peer")
        ours, theirs = (FROM_SERVER, FROM_CLIENT) if as_server else (FROM_CLIENT, FROM_SERVER)
        self._seal_with = secrets(shared, ours, functions)
        self._open_with = secrets(shared, theirs, functions)
        self._sent = session.sent
        self._received = session.received
        self._longest = longest
        self._functions = functions
        self._rest = bytearray()
        """A sealed frame that is cut off; at most one read more than `_needed`."""
        self._needed = 0

    @property
    def held(self) -> int:
        """The bytes of a sealed frame that is cut off."""
        return len(self._rest)

    def seal(self, data: bytes | memoryview) -> list[tuple[bytes, int]]:
        """Each frame in its own box, in one piece; ZmtpError unless the frames are whole."""
        use = self._functions
        sealed, self._sent = use.seal(bytes(data), self._seal_with, self._sent, use.addresses)
        return [(sealed, len(data))]

    def open(self, data: bytes) -> bytes:
        """The frames that are whole now; ZmtpError for one that the peer cannot have sent."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return b""
            data = bytes(self._rest)
        use = self._functions
        plain, done, self._received, self._needed = use.open(
            data, self._open_with, self._received, self._longest, use.addresses
        )
        self._rest = bytearray(memoryview(data)[done:])
        return plain

    def taken(self, data: bytes | memoryview, count: int) -> int:
        """The bytes of `data`, whole messages, that the first `count` sealed ones stand for."""
        at = whole = place = 0
        while found := span(data, at):
            flags, body, at = found
            size = at - body + boxes.OVERHEAD
            place += size + (2 if size < 256 else 9)
            if place > count:
                break
            if not flags & MORE:
                whole = at
        return whole
