"""The frames of ZMTP 2.0 and 3.x: build them, find where they end, take a whole message apart.

A frame is a flags octet, its length (1 octet, or 8 if LONG is set) and the body. A message is all
frames up to and including one without MORE. A command is one frame with COMMAND set.
Nothing here may keep state between calls, or allocate memory by a length that a peer only claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MORE = 1
LONG = 2
COMMAND = 4
SHORT_MAX = 255
"""The longest body, in bytes, whose length fits into the short header."""

BytesLike = bytes | bytearray | memoryview


class ZmtpError(ValueError):
    """A peer broke the protocol; the text says what was found and what was expected."""


def frame(body: bytes, more: bool = False) -> bytes:
    """One frame of a message, short or long by the size of its body."""
    return _header(MORE if more else 0, len(body)) + body


def pack(frames: Sequence[bytes]) -> bytes:
    """One whole message; ValueError if there is no frame in it."""
    if not frames:
        raise ValueError("a message has at least one frame")
    parts: list[bytes] = []
    for body in frames[:-1]:
        parts += (_header(MORE, len(body)), body)
    parts += (_header(0, len(frames[-1])), frames[-1])
    return b"".join(parts)


def command(name: bytes, body: bytes = b"") -> bytes:
    """One command frame: the length of its name, the name (1 to 255 bytes), the body."""
    if not 0 < len(name) <= SHORT_MAX:
        raise ValueError(f"a command name has 1 to 255 bytes, not {len(name)}")
    return _header(COMMAND, 1 + len(name) + len(body)) + bytes((len(name),)) + name + body


def span(data: BytesLike, at: int) -> tuple[int, int, int] | None:
    """Flags, start and end of the body of the frame at this offset; None if its header is cut off.

    The end may be behind the end of the data. ZmtpError if the flags are not those of ZMTP.
    """
    left = len(data) - at
    if left < 1:
        return None
    flags = data[at]
    if flags > 7 or flags & 5 == 5:
        raise ZmtpError(f"frame flags 0x{flags:02x}; expected 0 to 7, and no MORE with COMMAND")
    if left < (9 if flags & LONG else 2):
        return None
    if flags & LONG:
        return flags, at + 9, at + 9 + int.from_bytes(data[at + 1 : at + 9], "big")
    return flags, at + 2, at + 2 + data[at + 1]


def boundaries(data: BytesLike, start: int = 0) -> Iterator[int]:
    """End offset of each message in data that consists of whole messages; ZmtpError otherwise.

    A command counts as a message.
    """
    at, size = start, len(data)
    while at < size:
        found = span(data, at)
        if found is None or found[2] > size:
            raise ZmtpError(f"the frame at offset {at} ends beyond the {size} bytes there are")
        flags, _, at = found
        if not flags & MORE:
            yield at
        elif at == size:
            raise ZmtpError(f"the message is cut after the frame that ends at offset {at}")


def unpack(data: BytesLike) -> list[bytes]:
    """The frames of exactly one whole message; ZmtpError if it is anything else."""
    frames: list[bytes] = []
    at, flags = 0, MORE
    while flags & MORE:
        found = span(data, at)
        if found is None or found[2] > len(data):
            raise ZmtpError(f"the message is cut in frame {len(frames) + 1}")
        flags, start, at = found
        if flags & COMMAND:
            raise ZmtpError("a command where a message was expected")
        frames.append(bytes(data[start:at]))
    if at != len(data):
        raise ZmtpError(f"{len(data) - at} bytes follow the message")
    return frames


def _header(flags: int, size: int) -> bytes:
    if size <= SHORT_MAX:
        return bytes((flags, size))
    return bytes((flags | LONG,)) + size.to_bytes(8, "big")
