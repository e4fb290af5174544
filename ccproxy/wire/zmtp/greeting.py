"""The 64 bytes that open a ZMTP connection, and names for other protocols' first bytes.

signature (10) | major (1) | minor (1) | mechanism (20) | as-server (1) | filler (31)
A ZMTP 2.0 peer sends its socket type in the place of the minor version, and nothing after it.
Therefore our own greeting is sent in two parts, the second one when the peer's major version is
known.
"""

from __future__ import annotations

SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"
"""As libzmq sends it for an empty identity; a ZMTP 1.0 peer reads it as a length of one byte."""
MAJOR = 3
MINOR = 1
OPENING = SIGNATURE + bytes((MAJOR,))
GREETING_SIZE = 64
AS_SERVER_AT = 32

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


def unversioned(data: bytes) -> str | None:
    """A description of a stream that does not begin like ZMTP 2.0 or later.

    Empty if it does begin like ZMTP, None if more bytes are needed to decide. The answer depends
    on the stream only, not on how it was cut.
    """
    if data[:1] != b"\xff":
        answers = (_foreign(data[:size]) for size in range(1, len(data) + 1))
        return next((answer for answer in answers if answer), None)
    if len(data) < len(SIGNATURE):
        return None
    return "" if data[9] & 1 else "ZMTP 1.0 with a long identity (libzmq 2); 2.0 or later needed"


def _foreign(data: bytes) -> str | None:
    for prefix, name in FOREIGN:
        if data == prefix:
            return f"{name}, not ZMTP"
        if prefix.startswith(data):
            return None
    if len(data) == 1 and data != b"\0":
        return None
    if data[1:] == b"\0":
        return "ZMTP 1.0 (libzmq 2); 2.0 or later needed"
    return f"not ZMTP; it starts with {data.hex()}"
