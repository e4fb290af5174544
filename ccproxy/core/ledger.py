"""The ledger: counts the received messages and the one fate in which each of them ends.

A message is counted as received when it is complete, and its fate when it has been dealt with, in
different places. `received == sum of fates` therefore says that the switch lost nothing. Only the
switch may write to the ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict

FATES: dict[str, str] = {
    "forwarded": "accepted by at least one outbox",
    "replied": "answered, or a reply accepted by the outbox of the peer it belongs to",
    "consumed": "taken by a handler that answers nothing",
    "refused": "a handler did not accept it",
    "full": "every outbox it was meant for was full",
    "gone": "a reply to a peer that is not connected any more",
    "failed": "a handler raised an exception and no other handler took it",
    "unsubscribed": "published, but no subscriber wants it",
    "looped": "came back to this server, which it had passed (hop-marks)",
    "duplicate": "a copy of a message with a number: it was here before, or it is sent again",
    "discarded": "dropped because a handler says so (disposer, filter)",
    "unrouted": "no route matches its type",
    "malformed": "no empty frame, no type, or an invalid type",
    "too-big": "larger than max-message; the peer was closed",
}
"""Fate -> meaning. If the handlers of one message differ, the first of their fates in this order is
counted: success, then loss, then what a handler discards, so that a discard never hides a loss."""

OUTCOMES = {
    "ok": ("forwarded", "replied", "consumed", "unsubscribed", "looped", "duplicate", "discarded"),
    "dropped": ("unrouted", "full", "gone", "refused", "too-big"),
    "crashed": ("failed",),
    "invalid": ("malformed",),
}
"""Word of the original's counters -> the fates it stands for."""

RANK = {fate: rank for rank, fate in enumerate(FATES)}


class Ledger:
    """Counts since the start: messages received, their bytes on the wire, and their fates.

    `listeners` has the messages that came by each listener, without answers of its peers and
    without what came before.
    """

    __slots__ = ("bytes", "fate_bytes", "fates", "listeners", "received")

    def __init__(self) -> None:
        self.received = 0
        self.bytes = 0
        self.fates: Counter[str] = Counter()
        self.fate_bytes: Counter[str] = Counter()
        self.listeners: defaultdict[str, int] = defaultdict(int)  # a Counter takes twice the time

    def receive(self, messages: int, size: int, listener: str = "") -> None:
        """Count whole messages as received; `size` is their bytes on the wire."""
        self.received += messages
        self.bytes += size
        self.listeners[listener] += messages

    def end(self, fate: str, messages: int, size: int) -> None:
        """Count messages as ended in `fate`."""
        self.fates[fate] += messages
        self.fate_bytes[fate] += size

    def pass_by(self, fate: str, messages: int, size: int) -> None:
        """Count whole messages that came and ended in `fate` at once."""
        self.received += messages
        self.bytes += size
        self.fates[fate] += messages
        self.fate_bytes[fate] += size

    def change(self, before: str, fate: str, size: int) -> None:
        """Count one message that ended in `before` as ended in `fate`."""
        self.end(before, -1, -size)
        self.end(fate, 1, size)

    def balance(self) -> int:
        """Received messages minus the sum of fates; zero unless the switch is inside a call."""
        return self.received - sum(self.fates.values())

    def line(self) -> str:
        """The counts as text: `received=5 forwarded=4 unrouted=1`, without the zero ones."""
        fates = " ".join(f"{fate}={self.fates[fate]}" for fate in FATES if self.fates[fate])
        return f"received={self.received} {fates}".rstrip()
