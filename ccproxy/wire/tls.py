"""TLS on one connection, as an object without a socket: bytes in, bytes out.

    step() -> bytes to send, done?     receive(bytes), step() ...     then it is a `StreamSeal`

OpenSSL does the work through two buffers in memory. What certificates are trusted stands in the
SSLContext. One call of `seal` is one record, or several if the data is longer than a record may be.
This module must never read a file or a clock.
"""

from __future__ import annotations

from contextlib import suppress
from ssl import MemoryBIO, SSLCertVerificationError, SSLContext, SSLError, SSLWantReadError
from ssl import SSLZeroReturnError as Ended
from typing import Any, NamedTuple

HANDSHAKE = 0x16
"""The first byte that a client sends: a record of the handshake (RFC 8446, 5.1)."""
SEALED = 64 * 1024
"""Bytes that are sealed at once, so that a long message does not stop the loop."""
MOST_UNSENT = 16 * 1024
"""Bytes that a peer may make us answer before we send something ourselves, such as changes of
keys, about 600 of them."""
OWN_WORDS = {
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer refuses our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refuses our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired, says the peer",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a certificate of us",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer ended the handshake, for want of a common cipher or "
    "of a certificate of ours",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer has sent no certificate",
    "UNSUPPORTED_PROTOCOL": "the peer speaks only versions before TLS 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer speaks none of our versions of TLS",
    "WRONG_VERSION_NUMBER": "the peer speaks no TLS",
    "HTTP_REQUEST": "the peer speaks plain HTTP",
}
"""What OpenSSL calls the reasons that users meet, and what they mean."""


class TlsError(ValueError):
    """The end of a connection; `alert` are the bytes that tell the peer."""

    def __init__(self, reason: str, alert: bytes = b"") -> None:
        super().__init__(reason)
        self.alert = alert


class TlsStep(NamedTuple):
    """What one step of the handshake gives: bytes to send, and whether it was the last."""

    transmit: bytes
    done: bool


class TlsSession:
    """The handshake and then the records of one connection."""

    def __init__(self, context: SSLContext, server_name: str | None = None) -> None:
        """`server_name` is the one that the certificate of the far side must have; None: this is
        the side of the server."""
        self.ended = False
        self.held = 0
        """Bytes since the last record that was whole."""
        self._in, self._out = MemoryBIO(), MemoryBIO()
        server = server_name is None
        self._tls = context.wrap_bio(self._in, self._out, server, server_name)

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer for the next step."""
        self._in.write(data)

    def step(self) -> TlsStep:
        """Go on with the handshake; TlsError if it has failed. It takes up to some milliseconds."""
        try:
            self._tls.do_handshake()
        except SSLWantReadError:
            return TlsStep(self._out.read(), False)
        except SSLError as error:
            raise TlsError(reason_of(error), self._out.read()) from None
        return TlsStep(self._out.read(), True)

    @property
    def peer_name(self) -> str:
        """The name in the certificate of the peer, which was verified: the common name, else the
        first of its alternative names; "" without a certificate."""
        found: Any = self._tls.getpeercert() or {}
        parts = [part for group in found.get("subject", ()) for part in group]
        names = [value for key, value in parts if key == "commonName"]
        names += [value for _, value in found.get("subjectAltName", ())]
        return str(names[0]) if names else ""

    @property
    def words(self) -> str:
        """Version and cipher, for people."""
        cipher = self._tls.cipher()
        return f"{self._tls.version()} {cipher[0] if cipher else ''}"

    # Seal

    def seal(self, data: bytes | memoryview) -> list[tuple[bytes, int]]:
        """The records of the first `SEALED` bytes of the data, in one piece."""
        part = memoryview(data)[:SEALED]
        try:
            self._tls.write(part)
        except SSLError as error:
            raise TlsError(reason_of(error)) from None
        return [(self._out.read(), len(part))]

    def taken(self, data: bytes | memoryview, count: int) -> int:
        """Nothing: a record that is cut off cannot be opened."""
        return 0

    def open(self, data: bytes) -> bytes:
        """What the records say that are whole now; TlsError for those that cannot be opened."""
        pieces: list[bytes] = []
        self._in.write(data)
        self.held += len(data)
        try:
            while piece := self._tls.read(SEALED):
                pieces.append(piece)
            self.ended = True
        except SSLWantReadError:
            pass
        except Ended:
            self.ended = True
        except SSLError as error:
            raise TlsError(reason_of(error)) from None
        if self._out.pending > MOST_UNSENT:
            raise TlsError("the peer asks for new keys again and again")
        if pieces:
            self.held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> bytes:
        """The alert `close_notify`; nothing waits for that of the peer."""
        # It waits for the peer's alert, or the connection has failed: then there is none of ours.
        with suppress(SSLError):
            self._tls.unwrap()
        return self._out.read()


def reason_of(error: SSLError) -> str:
    """Why a handshake or a record has failed, without the names of OpenSSL's functions."""
    if isinstance(error, SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message.rstrip('.')}"
    reason = error.reason or "a fault without a reason"
    return OWN_WORDS.get(reason) or reason.replace("_", " ").lower()
