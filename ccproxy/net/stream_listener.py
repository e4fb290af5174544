"""What listeners of stream protocols have in common: an acceptor, their peers, and how those leave.

It must never know what is spoken; a subclass makes the peers.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Generic, Protocol, TypeVar

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.acceptor import Acceptor
from ccproxy.net.shared import Kit
from ccproxy.net.stream import Stream

POLL_INTERVAL = 0.5
"""Seconds between two looks at who takes too long."""


class StreamPeer(Protocol):
    """One accepted connection."""

    @property
    def stream(self) -> Stream:
        """Its byte stream."""

    def expire(self, now: float) -> None:
        """Do what is due by the loop's clock."""


Peer = TypeVar("Peer", bound=StreamPeer)


class StreamListener(Generic[Peer]):
    """One address; `make` is the subclass's."""

    def __init__(self, plan: ListenerPlan, kit: Kit) -> None:
        self.name = plan.section
        self.options: ListenerOptions = plan.options
        self.kit = kit
        self.peers: set[Peer] = set()
        address = Address.parse(str(plan.address))
        self.acceptor = Acceptor(plan.section, address, kit.log, self._on_accept)
        self.past = Outbox(f"{plan.section} peers gone", self.limits, whole=True)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def make(self, sock: socket.socket, peer: str) -> Peer:
        """A peer for an accepted socket; not open yet."""
        raise NotImplementedError

    def left(self, peer: Peer, identity: bytes) -> None:
        """A peer's stream is closed."""
        self.peers.discard(peer)
        self.past.absorb(peer.stream.box)
        self.kit.departed(identity)

    @property
    def limits(self) -> Limits:
        """Those of each peer's outbox."""
        return self.options.limits

    @property
    def calls(self) -> int:
        """How many are under way; not every protocol has calls."""
        return 0

    def stop_reading(self) -> None:
        """Read no more; what waits is still written."""
        for peer in self.peers:
            peer.stream.stop_reading()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Close every connection when what waits is written, after `seconds` at the latest."""
        for peer in list(self.peers):
            peer.stream.close_gracefully(reason)
        end = self._loop.time() + seconds
        while self.peers and self._loop.time() < end:
            await asyncio.sleep(0.005)
        for peer in list(self.peers):
            peer.stream.close(reason)

    def reconfigure(self, options: Any) -> None:
        """New options: limits hold at once, the rest for connections to come."""
        self.options = options
        self.acceptor.reconfigure(options)
        for peer in self.peers:
            peer.stream.box.reconfigure(self.limits)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers, and one that sums up those of peers gone."""
        return [self.past, *(peer.stream.box for peer in self.peers)]

    def _on_accept(self, sock: socket.socket, peer: str) -> bool:
        if len(self.peers) >= self.options.max_peers:
            return False
        made = self.make(sock, peer)
        self.peers.add(made)
        made.stream.open()
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_INTERVAL, self._watch)
        return True

    def _watch(self) -> None:
        now = self._loop.time()
        for peer in list(self.peers):
            peer.expire(now)
        # Nobody there, nothing to watch; the next peer begins again.
        self._timer = self._loop.call_later(POLL_INTERVAL, self._watch) if self.peers else None
