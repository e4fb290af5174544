"""Taps: each sees messages of some types as they pass, and changes nothing of what becomes of them.

A tap holds a few messages, the first bytes of each, and counts those for which it had no room:
messages never wait for it. Flows whose types it wants carry a target that names it; all others cost
what they cost without taps. It must never write, nor look into a message before it is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

Buffer = bytes | memoryview

MOST_MESSAGES = 200
"""Messages that a tap holds."""
KEPT = 4096
"""Bytes of one message that it holds."""


class Places(NamedTuple):
    """Where messages go: the sections of sinks and handlers, or the fate if there are none."""

    sections: tuple[str, ...]
    fate: str


class Passing(NamedTuple):
    """Some messages of one sender with one target, on their way.

    `messages` gives each of `number` as its frames on the wire. `type` is empty if their envelopes
    have it. `size` is that of a message whose frames are not known.
    """

    listener: str
    peer: str
    places: Places
    number: int
    messages: Callable[[], Iterable[Buffer]]
    type: str = ""
    size: int = 0


def no_frames() -> Iterable[Buffer]:
    """The `messages` of one message whose frames are not known."""
    return (b"",)


class TappedMessage(NamedTuple):
    """One message that a tap has seen; `start` are its first bytes, `size` is that of all.

    It holds a copy, and not the read that the message was cut from.
    """

    listener: str
    peer: str
    places: Places
    type: str
    size: int
    start: bytes


class Tap:
    """Sees the messages of types under a prefix, from some peers, to some sections."""

    def __init__(self, prefix: str, peer: str = "", to: str = "") -> None:
        """`peer` is the listener, the address with or without the port, or the name that a peer has
        proven; `to` is the section of a destination. Empty means all."""
        self.prefix = prefix
        self.peer = peer
        self.to = to
        self.closed = False
        self._held: list[TappedMessage] = []
        self._missed = 0

    def wants(self, type: str, places: Places) -> bool:
        """True if it sees messages of this type, by the rule of routes."""
        fits = self.prefix == "*" or type == self.prefix or type.startswith(f"{self.prefix}.")
        return fits and (not self.to or self.to in places.sections) and not self.closed

    def see(self, passing: Passing) -> None:
        """Look at some messages; those without room are counted."""
        names = (passing.listener, *peer_names(passing.peer)) if self.peer else ()
        if self.closed or (self.peer and self.peer not in names):
            return
        room = min(MOST_MESSAGES - len(self._held), passing.number)
        self._missed += passing.number - room
        if not room:
            return
        listener, peer, places, _, messages, type, size = passing
        for one in islice(messages(), room):
            start = bytes(one[:KEPT])
            self._held.append(TappedMessage(listener, peer, places, type, size or len(one), start))

    def take(self) -> tuple[list[TappedMessage], int]:
        """The messages that are held, which makes room; and how many were missed since."""
        found, self._held = self._held, []
        missed, self._missed = self._missed, 0
        return found, missed


def peer_names(peer: str) -> tuple[str, ...]:
    """The names by which a peer may be called, of which NAME@HOST:PORT is the longest."""
    name, _, address = peer.rpartition("@")
    return peer, name, address, address.rpartition(":")[0]


def frames_of(start: bytes) -> list[bytes]:
    """The frames of a message of which only the first bytes are known; the last may be cut."""
    found: list[bytes] = []
    at = 0
    while at + 1 < len(start):
        begin = at + (9 if start[at] & 2 else 2)
        size = int.from_bytes(start[at + 1 : begin], "big")
        at = begin + size
        found.append(start[begin:at])
    return found


def type_of(message: Buffer) -> str:
    """The type of a message with an envelope; empty if its first bytes have none."""
    frames = frames_of(bytes(message[:KEPT]))
    cut = frames.index(b"") + 1 if b"" in frames else len(frames)
    return frames[cut].decode("ascii", "replace") if cut < len(frames) else ""
