"""Socket types and identities: which socket types can be connected, and which names are allowed.

Wire facts: rfc.zeromq.org/spec/37 ("socket-type", "identity"), spec/15 (numbers of ZMTP 2.0).
"""

from __future__ import annotations

from collections.abc import Mapping

from ccproxy.wire.zmtp.frames import ZmtpError

NUMBERS: Mapping[bytes, int] = {
    b"PAIR": 0, b"PUB": 1, b"SUB": 2, b"REQ": 3, b"REP": 4, b"DEALER": 5,
    b"ROUTER": 6, b"PULL": 7, b"PUSH": 8, b"XPUB": 9, b"XSUB": 10,
}  # fmt: skip
NAMES: Mapping[int, bytes] = {number: name for name, number in NUMBERS.items()}

COMPATIBLE: Mapping[bytes, frozenset[bytes]] = {
    b"PAIR": frozenset({b"PAIR"}),
    b"PUB": frozenset({b"SUB", b"XSUB"}),
    b"SUB": frozenset({b"PUB", b"XPUB"}),
    b"XPUB": frozenset({b"SUB", b"XSUB"}),
    b"XSUB": frozenset({b"PUB", b"XPUB"}),
    b"REQ": frozenset({b"REP", b"ROUTER"}),
    b"REP": frozenset({b"REQ", b"DEALER"}),
    b"DEALER": frozenset({b"ROUTER", b"REP", b"DEALER"}),
    b"ROUTER": frozenset({b"DEALER", b"REQ", b"ROUTER"}),
    b"PULL": frozenset({b"PUSH"}),
    b"PUSH": frozenset({b"PULL"}),
}
NAMED = frozenset({b"REQ", b"DEALER", b"ROUTER"})
"""Socket types that send their identity in READY."""

IDENTITY_MAX = 255


def check_socket_type(ours: bytes, theirs: bytes) -> None:
    """ZmtpError if the peer's socket type cannot talk to ours."""
    if theirs in COMPATIBLE[ours]:
        return
    wanted = ", ".join(sorted(name.decode() for name in COMPATIBLE[ours]))
    found = theirs[:32].decode("ascii", "backslashreplace") or "no"
    raise ZmtpError(f"{found} socket cannot talk to our {ours.decode()}; expected {wanted}")


def check_identity(identity: bytes) -> None:
    """ZmtpError if a peer may not have this identity; an empty one is allowed."""
    if len(identity) > IDENTITY_MAX:
        raise ZmtpError(f"identity of {len(identity)} bytes; at most {IDENTITY_MAX} are allowed")
    if identity[:1] == b"\0":
        raise ZmtpError(
            f"identity {identity[:16].hex()} starts with a zero byte; only generated ones may"
        )


def generated_identity(number: int) -> bytes:
    """The identity of a peer that has none: a zero byte and the number, modulo 2**32."""
    return b"\0" + (number & 0xFFFFFFFF).to_bytes(4, "big")
