"""The ledger: every received message ends in exactly one named fate, and is counted here.

`received` is counted when a message is whole, the fates when it has been dealt with, by different
lines of code; `received == sum of fates` is therefore a statement about the switch, not about
this class. It must never be written to by anything but the switch.
"""

from __future__ import annotations

from collections import Counter

FATES: dict[str, str] = {
    "forwarded": "accepted by at least one outbox",
    "replied": "answered, or a reply accepted by the outbox of the peer it belongs to",
    "consumed": "taken by a handler that answers nothing",
    "refused": "a handler did not accept it",
    "full": "every outbox it was meant for was full",
    "gone": "a reply whose asker is not connected any more",
    "failed": "a handler raised and no other took it",
    "discarded": "dropped because a handler says so (disposer, filter)",
    "unrouted": "no route matches its type",
    "malformed": "no delimiter, no type, or a type that is none",
    "too-big": "larger than max-message; the peer was closed",
}
"""Fate -> meaning. The order is the precedence when handlers of one message differ: what did some
good first, then what went wrong, so that a handler that discards hides no loss."""

RANK = {fate: rank for rank, fate in enumerate(FATES)}


class Ledger:
    """Counts since the start: messages received, their bytes on the wire, and their fates."""

    __slots__ = ("bytes", "fate_bytes", "fates", "received")

    def __init__(self) -> None:
        self.received = 0
        self.bytes = 0
        self.fates: Counter[str] = Counter()
        self.fate_bytes: Counter[str] = Counter()

    def receive(self, messages: int, size: int) -> None:
        """Count whole messages as received; `size` is their bytes on the wire."""
        self.received += messages
        self.bytes += size

    def end(self, fate: str, messages: int, size: int) -> None:
        """Count messages as ended in `fate`."""
        self.fates[fate] += messages
        self.fate_bytes[fate] += size

    def balance(self) -> int:
        """Received minus the sum of fates; zero whenever the switch is not inside a call."""
        return self.received - sum(self.fates.values())

    def line(self) -> str:
        """`received=5 forwarded=4 unrouted=1`, fates that never occurred left out."""
        fates = " ".join(f"{fate}={self.fates[fate]}" for fate in FATES if self.fates[fate])
        return f"received={self.received} {fates}".rstrip()
