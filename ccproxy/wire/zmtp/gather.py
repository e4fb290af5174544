"""Puts together a message, or a command, that arrives in several reads.

    gather.feed(data) -> None: all of it is held | (one whole message or command, what follows it)

A command may come between two frames of one message: libzmq sends PING and PONG when their time
comes, even in the middle of a message [seen: 4.3.5, slow reader]. Such commands are collected
separately, for `take_commands`.
It must never allocate memory by a length that a peer only announces, or look at a byte twice.
"""

from __future__ import annotations

from ccproxy.wire.zmtp.commands import COMMAND_MAX
from ccproxy.wire.zmtp.frames import COMMAND, MORE, BytesLike, ZmtpError, span

COMMANDS_HELD = 65536
"""Limit, in bytes, of the commands inside one message that wait for `take_commands`."""


class MessageTooBig(ZmtpError):
    """A message is larger than allowed, or announces that it will be."""

    opened = b""
    """The frames in front of it in the same read, if the peer seals them."""


class Gather:
    """Collects one message at a time; after an error it is of no further use."""

    def __init__(self, max_message: int, max_frames: int) -> None:
        """Limits of one message: bytes on the wire including frame headers; number of frames."""
        self._max_message = max_message
        self._max_frames = max_frames
        self._buffer = bytearray()
        self._walked = 0
        self._frames = 0
        self._commands: list[bytes] = []
        self._held = 0

    @property
    def size(self) -> int:
        """Bytes held; 0 between two messages."""
        return len(self._buffer) + self._held

    def feed(self, data: BytesLike) -> tuple[bytes, bytes] | None:
        """One whole message or command and what follows it; None if more is needed.

        MessageTooBig as soon as a frame announces to exceed the limit, ZmtpError for broken frames.
        """
        if self._held > COMMANDS_HELD:
            raise ZmtpError(f"{self._held} bytes of commands inside one message")
        self._buffer += data
        inside: list[tuple[int, int]] = []
        end = self._walk(inside)
        cut = self._cut(inside) if inside else 0
        return self._split(end - cut) if end else None

    def take_commands(self) -> list[bytes]:
        """The command frames found inside messages since the last call."""
        commands, self._commands, self._held = self._commands, [], 0
        return commands

    def whole(self, data: BytesLike, at: int) -> int:
        """End of the message or command at this offset of `data`, which must not be fed before.

        0 if it is cut off or has a command inside: then give it to `feed`. Limits and errors are
        those of `feed`.
        """
        frames, end = 0, at
        while found := span(data, end):
            flags, _, after = found
            self._check(flags, after - (end if flags & COMMAND else at), frames)
            if after > len(data) or (flags & COMMAND and frames):
                return 0
            if not flags & MORE:
                return after
            frames, end = frames + 1, after
        return 0

    def _walk(self, inside: list[tuple[int, int]]) -> int:
        """Step over whole frames; return the end of the message, or 0. Add commands to `inside`."""
        buffer, at, cut = self._buffer, self._walked, 0
        while found := span(buffer, at):
            flags, _, end = found
            self._check(flags, end - (at if flags & COMMAND else cut), self._frames)
            if end > len(buffer):
                break
            if flags & COMMAND and self._frames:
                inside.append((at, end))
                cut += end - at
            elif not flags & MORE:
                return end
            else:
                self._frames += 1
            at = end
        self._walked = at
        return 0

    def _check(self, flags: int, size: int, frames: int) -> None:
        limit = COMMAND_MAX if flags & COMMAND else self._max_message
        if size > limit:
            kind = "command" if flags & COMMAND else "message"
            raise MessageTooBig(f"{kind} of {size} bytes or more; limit {limit}")
        if frames >= self._max_frames and not flags & COMMAND:
            raise ZmtpError(f"message of more than {self._max_frames} frames")

    def _cut(self, inside: list[tuple[int, int]]) -> int:
        """Take the commands out of the buffer; return their size in bytes."""
        first, buffer = inside[0][0], self._buffer
        kept, at = bytearray(), first
        for start, end in inside:
            kept += buffer[at:start]
            self._commands.append(bytes(buffer[start:end]))
            at = end
        kept += buffer[at:]
        removed = len(buffer) - first - len(kept)
        buffer[first:] = kept
        self._walked -= removed
        self._held += removed
        return removed

    def _split(self, end: int) -> tuple[bytes, bytes]:
        with memoryview(self._buffer) as view:
            whole, rest = bytes(view[:end]), bytes(view[end:])
        self._buffer = bytearray()
        self._walked = self._frames = 0
        return whole, rest
