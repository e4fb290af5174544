"""The peers of one responder proxy: by the routing ids that they gave themselves or were given.

An id belongs to one peer at a time. What is remembered of peers that are gone is bounded; it must
never be a message.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from ccproxy import Outbox
from ccproxy.core.runs import MessageSource
from ccproxy.wire.text import shortened

ANONYMOUS = b"\0"
"""Ids that begin so are made here, for peers that gave themselves none."""
REMEMBERED = 1000
"""Names of peers that are gone whose counts are shown."""
SHOWN = 100
"""Names that are shown in the status."""


class Counts:
    """What a name has got and sent, over all its connections."""

    __slots__ = ("connections", "dropped", "received", "sent")

    def __init__(self) -> None:
        self.connections = 0
        self.received = 0
        """Messages that were taken for it."""
        self.sent = 0
        """Messages that came from it."""
        self.dropped = 0
        """Messages for it that its queue had no room for."""


class AddressedPeer:
    """A peer to which messages go that have its id as their address."""

    __slots__ = ("address", "box", "counts", "identity", "name", "since")

    def __init__(self, source: MessageSource, box: Outbox, counts: Counts, since: float) -> None:
        self.name = source.routing_id
        self.address = source.peer
        self.identity = source.identity
        self.box = box
        self.counts = counts
        self.since = since
        counts.connections += 1


class PeerTable:
    """All peers of a responder proxy that are served."""

    def __init__(self) -> None:
        self.peers: dict[bytes, AddressedPeer] = {}
        """By the id that others write as the address."""
        self.anonymous = Counts()
        self._names: dict[bytes, bytes] = {}
        self._up: dict[bytes, Counts] = {}
        self._gone: dict[bytes, Counts] = {}

    def enter(self, source: MessageSource, now: float) -> AddressedPeer:
        """A peer is connected; messages for it are put into the box of its source."""
        name, box = source.routing_id, source.box
        assert box is not None, "a peer of a responder proxy gets messages"
        self._leave(self.peers.get(name))
        peer = AddressedPeer(source, box, self._counts_of(name), now)
        self.peers[name] = peer
        self._names[source.identity] = name
        return peer

    def leave(self, identity: bytes) -> None:
        """A peer is gone: its id is free."""
        name = self._names.get(identity)
        self._leave(None if name is None else self.peers.get(name))

    def status(self, now: float) -> dict[str, Any]:
        """The peers, those with a name one by one, as many as a screen has room for."""
        facts: dict[str, Any] = {
            "peers": len(self.peers),
            "anonymous": len(self.peers) - len(self._up),
            "requested": self.anonymous.sent,
            "answered": self.anonymous.received,
        }
        names = list(islice(chain(self._up, self._gone), SHOWN))
        if (others := len(self._up) + len(self._gone) - len(names)) > 0:
            facts["not-shown"] = others
        return facts | {_text(name): self._fact(name, now) for name in names}

    def _fact(self, name: bytes, now: float) -> dict[str, Any]:
        counts, peer = self._up.get(name) or self._gone[name], self.peers.get(name)
        facts = {
            "state": "gone" if peer is None else "up",
            "received": counts.received,
            "sent": counts.sent,
            "dropped": counts.dropped,
            "connections": counts.connections,
        }
        if peer is None:
            return facts
        held = {"waiting": peer.box.waiting, "seconds": int(now - peer.since)}
        return facts | held | {"peer": peer.address}

    def _leave(self, peer: AddressedPeer | None) -> None:
        if peer is None:
            return
        del self.peers[peer.name]
        del self._names[peer.identity]
        if peer.name in self._up:
            self._gone[peer.name] = self._up.pop(peer.name)
            if len(self._gone) > REMEMBERED:
                del self._gone[next(iter(self._gone))]

    def _counts_of(self, name: bytes) -> Counts:
        """The counts of a name, from before if it is remembered."""
        if name.startswith(ANONYMOUS):
            return self.anonymous
        known = self._gone.get(name)
        if known is not None:
            del self._gone[name]
        found = self._up[name] = known or Counts()
        return found


def _text(name: bytes) -> str:
    return shortened(name.decode("utf-8", "backslashreplace"))
