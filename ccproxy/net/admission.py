"""Which connections may stay: limits for a listener, for one address, and for silent ones.

A connection is silent until its peer has said something: the first byte, or the whole handshake of
ZMTP. Silent connections never hold more than half of what there is, because anybody can open
them: the oldest one goes when a new connection comes. It must never read or write a socket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from ccproxy.config.links import ListenerOptions

TOO_MANY, PER_ADDRESS, SILENT = "too-many", "per-address", "silent"
"""What is counted: refused by `max-peers`, by `max-peers-per-address`; closed because silent."""


class Closable(Protocol):
    """An accepted connection."""

    def close(self, reason: str) -> None:
        """Close it now."""


Evict = Callable[[Closable, str], None]
"""Closes a connection for a reason, which is written to the log."""


class SilentConnections:
    """The silent connections of all listeners of a server, the oldest first."""

    def __init__(self) -> None:
        self.peers = 0
        """Accepted connections, the silent ones included."""
        self.members: dict[Closable, Admission] = {}

    def evict_for_descriptor(self) -> bool:
        """Close the oldest one if they are half of all connections; True if that was done.

        The newest connection is silent too, and does not go for itself.
        """
        if len(self.members) < 2 or 2 * len(self.members) < self.peers:
            return False
        one, admission = next(iter(self.members.items()))
        admission.evict(one, "it has said nothing yet, and others wait for its file descriptor")
        return True


class Admission:
    """The connections of one listener."""

    def __init__(self, counts: Counter[str], everywhere: SilentConnections, evict: Evict) -> None:
        self.counts = counts
        self._everywhere = everywhere
        self._evict = evict
        self._members: dict[Closable, str] = {}
        self._silent: dict[Closable, None] = {}
        self._addresses: Counter[str] = Counter()

    @property
    def silent(self) -> int:
        """Connections that have said nothing yet."""
        return len(self._silent)

    def refusal(self, address: str, options: ListenerOptions) -> str:
        """Why no connection from this address can be taken now; "" if one can.

        `address` is "" where all peers have the same one. The oldest silent connection may go.
        """
        most = options.max_peers_per_address
        if address and 0 < most <= self._addresses[address]:
            self.counts[PER_ADDRESS] += 1
            return f"max-peers-per-address = {most}"
        half = max(1, options.max_peers // 2)
        if len(self._silent) >= half:
            reason = f"it has said nothing yet, as {half} others, half of max-peers"
            self.evict(next(iter(self._silent)), reason)
        if len(self._members) >= options.max_peers:
            self.counts[TOO_MANY] += 1
            return f"max-peers = {options.max_peers}"
        return ""

    def add(self, one: Closable, address: str) -> None:
        """A connection was accepted; it is silent."""
        self._members[one] = address
        self._silent[one] = None
        self._everywhere.members[one] = self
        self._everywhere.peers += 1
        if address:
            self._addresses[address] += 1

    def spoke(self, one: Closable) -> None:
        """The peer has said something."""
        self._silent.pop(one, None)
        self._everywhere.members.pop(one, None)

    def remove(self, one: Closable) -> None:
        """The connection is closed."""
        address = self._members.pop(one, None)
        if address is None:
            return
        self.spoke(one)
        self._everywhere.peers -= 1
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def evict(self, one: Closable, reason: str) -> None:
        """Close a silent connection, and count it."""
        self.counts[SILENT] += 1
        self._evict(one, reason)
