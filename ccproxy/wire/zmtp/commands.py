"""The commands of ZMTP 3.x as values: PING, PONG, ERROR, and every other command by its name.

Wire facts: rfc.zeromq.org/spec/37. A body given to `parse` is the body of a command frame, so it
starts with the length of the command's name. Nothing here may decide what a command leads to.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.wire.zmtp.frames import COMMAND, ZmtpError, command, span

COMMAND_MAX = 8192
"""Limit of the body of one command, in bytes; libzmq's READY has fewer than 400."""
CONTEXT_MAX = 16
TTL_MAX = 0xFFFF
SUBSCRIPTIONS = {b"SUBSCRIBE": True, b"CANCEL": False}
"""Commands that only the sockets PUB and XPUB understand."""
PLAIN_ERROR = b"^RROR"
"""How an ERROR of libzmq's PLAIN server begins: its source has "\\x5ERROR", and C reads \\x5E."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A peer asks for a PONG; `ttl` is in tenths of a second (0: none), the PONG repeats
    `context`."""

    ttl: int = 0
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a PING, with its context."""

    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Error:
    """A peer ends the handshake; `reason` is the text that it gives."""

    reason: str


@dataclass(frozen=True, slots=True)
class Other:
    """Any other command: READY, SUBSCRIBE, a command of a mechanism, an unknown one."""

    name: bytes
    body: bytes = b""

    @property
    def subscribes(self) -> bool | None:
        """True for SUBSCRIBE, False for CANCEL, None for any other command."""
        return SUBSCRIPTIONS.get(self.name)


Command = Ping | Pong | Error | Other


def parse(frame_body: bytes) -> Command:
    """The command in the body of a command frame; ZmtpError if its name or TTL is cut off.

    A context over 16 bytes is shortened, as in libzmq.
    """
    if frame_body.startswith(PLAIN_ERROR):
        frame_body = b"\x05ERROR" + frame_body[len(PLAIN_ERROR) :]
    name, body = split(frame_body)
    if name == b"PING":
        if len(body) < 2:
            raise ZmtpError(f"PING with {len(body)} of the 2 bytes of its TTL")
        return Ping(int.from_bytes(body[:2], "big"), body[2 : 2 + CONTEXT_MAX])
    if name == b"PONG":
        return Pong(body[:CONTEXT_MAX])
    if name == b"ERROR":
        return Error(body[1 : 1 + body[0]].decode("utf-8", "replace") if body else "")
    return Other(name, body)


def parse_frame(unit: bytes) -> Command:
    """The command in one whole command frame; ZmtpError if it is anything else."""
    found = span(unit, 0)
    if found is None or found[2] != len(unit) or not found[0] & COMMAND:
        raise ZmtpError(f"{len(unit)} bytes that are not one whole command frame")
    return parse(unit[found[1] :])


def split(frame_body: bytes) -> tuple[bytes, bytes]:
    """Name and body of a command; ZmtpError if the name is empty or cut off."""
    size = frame_body[0] if frame_body else 0
    if not size or len(frame_body) <= size:
        raise ZmtpError(f"command name of {size} bytes in a frame of {len(frame_body)}")
    return frame_body[1 : 1 + size], frame_body[1 + size :]


def ping(ttl: int = 0, context: bytes = b"") -> bytes:
    """A PING frame; `ttl` in tenths of a second."""
    if not 0 <= ttl <= TTL_MAX or len(context) > CONTEXT_MAX:
        raise ValueError(f"PING with ttl {ttl} and a context of {len(context)} bytes")
    return command(b"PING", ttl.to_bytes(2, "big") + context)


def pong(context: bytes = b"") -> bytes:
    """A PONG frame with the context of the PING it answers."""
    if len(context) > CONTEXT_MAX:
        raise ValueError(f"PONG with a context of {len(context)} bytes, over {CONTEXT_MAX}")
    return command(b"PONG", context)


def error(reason: str) -> bytes:
    """An ERROR frame; the reason is cut at 255 bytes."""
    text = reason.encode()[:255]
    return command(b"ERROR", bytes((len(text),)) + text)


def ready(metadata: bytes) -> bytes:
    """A READY frame around encoded properties."""
    return command(b"READY", metadata)
