"""The 64 bytes that open a ZMTP connection, and names for other protocols' first bytes.

signature (10) | major (1) | minor (1) | mechanism (20) | as-server (1) | filler (31)
A ZMTP 2.0 peer sends its socket type in the place of the minor version, and nothing after it. A
ZMTP 1.0 peer sends a frame with its identity, and takes our signature for the header of such a
frame. Therefore our own greeting is sent in three parts: the signature, the major version when the
peer is known to have one, and the rest when that version is known.
"""

from __future__ import annotations

from ccproxy.wire.zmtp.frames import ZmtpError

SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"
"""Our signature with an empty identity, see `signature`."""
MAJOR = 3
MINOR = 1
OPENING = SIGNATURE + bytes((MAJOR,))
GREETING_SIZE = 64
AS_SERVER_AT = 32
FLAGS_OF_IDENTITY = (b"\x00", b"\x7e")
"""What libzmq 2.x sends as flags of its identity; the second is that of 2.1.9 to 2.1.11, where only
bit 0 has a meaning. Other values are not taken for ZMTP, so that a stranger is named at once."""

FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"GET ", "an HTTP request"),
    (b"HEAD ", "an HTTP request"),
    (b"POST ", "an HTTP request"),
    (b"PUT ", "an HTTP request"),
    (b"DELETE ", "an HTTP request"),
    (b"OPTIONS ", "an HTTP request"),
    (b"PATCH ", "an HTTP request"),
    (b"CONNECT ", "an HTTP request"),
    (b"TRACE ", "an HTTP request"),
    (b"PRI * ", "an HTTP/2 request"),
    (b"HTTP/", "an HTTP answer"),
    (b"SSH-", "an SSH greeting"),
    (b"\x16\x03", "a TLS client hello"),
    (b"\x15\x03", "a TLS alert"),
    (b"PROXY ", "a PROXY protocol line"),
    (b"\r\n\r\n\0\r\n", "a PROXY protocol header"),
)


def closing(mechanism: bytes, as_server: bool) -> bytes:
    """What follows OPENING for a ZMTP 3.x peer: 53 bytes."""
    return bytes((MINOR,)) + mechanism.ljust(20, b"\0") + bytes((as_server,)) + bytes(31)


def signature(identity: bytes) -> bytes:
    """The first 10 bytes: in ZMTP 1.0 the header of a long frame that holds our identity."""
    return b"\xff" + (len(identity) + 1).to_bytes(8, "big") + b"\x7f"


def versioned(data: bytes) -> bool | None:
    """True if a stream begins as in ZMTP 2.0 and later, False if as in ZMTP 1.0.

    None if more bytes are needed to decide. ZmtpError names what came instead of ZMTP. The answer
    depends on the stream only, not on how it was cut.
    """
    if data[:1] == b"\xff":
        return bool(data[9] & 1) if len(data) >= len(SIGNATURE) else None
    answers = (_foreign(data[:size]) for size in range(1, len(data) + 1))
    found = next((answer for answer in answers if answer is not None), None)
    if found:
        raise ZmtpError(found)
    return None if found is None else False


def _foreign(data: bytes) -> str | None:
    """A description of what is not ZMTP; empty for ZMTP 1.0, None if more bytes are needed."""
    for prefix, name in FOREIGN:
        if data == prefix:
            return f"{name}, not ZMTP"
        if prefix.startswith(data):
            return None
    if len(data) == 1 and data != b"\0":
        return None
    if data[1:] in FLAGS_OF_IDENTITY:
        return ""
    return f"not ZMTP; it starts with {data.hex()}"
