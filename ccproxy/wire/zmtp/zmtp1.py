"""The frames of ZMTP 1.0, which libzmq 2.x speaks, and their translation to later ones and back.

    short frame: length (1 octet, 1 to 254) | flags (1) | body
    long frame:  255 | length (8 octets, network order) | flags (1) | body

The length counts the flags octet. Only bit 0 of the flags has a meaning, MORE: libzmq 2.1.9 to
2.1.11 sets the others to anything. There are no commands. A connection opens with one frame of
each side, whose body is its identity.
Wire facts: rfc.zeromq.org/spec/13. The switch knows only the later form of frames, so a connection
to such a peer has `Zmtp1Frames` in the place of a seal. It must never hold the body of a frame:
what a peer announces is judged behind it, by the limits that hold for every peer.
"""

from __future__ import annotations

from ccproxy.wire.zmtp.frames import COMMAND, LONG, MORE, BytesLike, ZmtpError, span

LONG_MARK = 255
SHORT_SIZE = 253
"""The longest body, in bytes, of a short frame."""
NO_LENGTH = "a frame with the length 0; in ZMTP 1.0 the length counts the flags octet"


def header(size: int, more: bool = False) -> bytes:
    """What stands before a body of `size` bytes."""
    if size <= SHORT_SIZE:
        return bytes((size + 1, more))
    return b"\xff" + (size + 1).to_bytes(8, "big") + bytes((more,))


def body_span(data: BytesLike) -> tuple[int, int] | None:
    """Start and end of the body of the frame that `data` begins with; None if its header is cut.

    The end may be behind the end of the data. ZmtpError if the length cannot be one.
    """
    if not data or len(data) < (10 if data[0] == LONG_MARK else 2):
        return None
    if data[0] == LONG_MARK:
        start, length = 10, int.from_bytes(data[1:9], "big")
    else:
        start, length = 2, data[0]
    if not length:
        raise ZmtpError(NO_LENGTH)
    return start, start + length - 1


class Zmtp1Frames:
    """Both directions of one connection; a Seal, see `ccproxy.wire.seal`."""

    def __init__(self) -> None:
        self._header = b""
        """The beginning of a header that is cut off."""
        self._left = 0
        """Bytes of the body of the current frame that have not come yet."""

    @property
    def held(self) -> int:
        """The bytes of a header that is cut off."""
        return len(self._header)

    def seal(self, data: bytes | memoryview) -> list[tuple[bytes, int]]:
        """Whole messages as ZMTP 1.0 has them, one piece each; ZmtpError for a command."""
        pieces: list[tuple[bytes, int]] = []
        parts: list[bytes | memoryview] = []
        at = start = 0
        while at < len(data):
            found = span(data, at)
            if found is None or found[0] & COMMAND or found[2] > len(data):
                raise ZmtpError("ZMTP 1.0 carries whole messages only, and no commands")
            flags, body, at = found
            parts += (header(at - body, bool(flags & MORE)), data[body:at])
            if not flags & MORE:
                pieces.append((b"".join(parts), at - start))
                parts, start = [], at
        return pieces

    def taken(self, data: bytes | memoryview, count: int) -> int:
        """Nothing: a piece is one message."""
        return 0

    def open(self, data: bytes) -> bytes:
        """Frames of ZMTP 1.0, cut anywhere, as ZMTP 2.0 has them; ZmtpError for a length of 0."""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        # A short header has two octets in both forms: it is changed in its place. A long one is
        # shorter by one octet in ZMTP 2.0: the run of bytes that can be passed on ends before it.
        left, self._left = self._left, 0
        buffer = bytearray(data) if not self._header else bytearray(self._header + data)
        self._header = b""
        return self._rewrite(buffer, left)

    def _rewrite(self, buffer: bytearray, at: int) -> bytes:
        """Change the headers from the offset `at` on, where one begins."""
        parts: list[bytes] = []
        start, size = 0, len(buffer)
        while at < size:
            length = buffer[at]
            if at + (10 if length == LONG_MARK else 2) > size:
                self._header = bytes(buffer[at:])
                break
            if length == LONG_MARK:
                parts.append(bytes(buffer[start:at]))
                start = at + 1
                length = int.from_bytes(buffer[start : at + 9], "big")
                buffer[start] = buffer[at + 9] & MORE | LONG
                buffer[at + 2 : at + 10] = max(length - 1, 0).to_bytes(8, "big")
                at += 8
            else:
                buffer[at] = buffer[at + 1] & MORE
                buffer[at + 1] = length - 1 if length else 0
            if not length:
                raise ZmtpError(NO_LENGTH)
            at += 1 + length
        self._left = max(at - size, 0)
        parts.append(bytes(buffer[start : size - len(self._header)]))
        return b"".join(parts)
