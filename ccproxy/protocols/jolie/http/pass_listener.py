"""A listener with `http = pass`: its requests go to services as they are, and so do the responses.

    GET /orders/get?id=1    type PREFIX.orders.get, resource path /orders, operation get

It must never touch a connection.
"""

from __future__ import annotations

import socket
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import Message
from ccproxy.core.pace import PaceLimits
from ccproxy.net.shared import Kit
from ccproxy.net.stream import Stream
from ccproxy.net.stream_listener import StreamListener
from ccproxy.protocols.jolie.http.listener import access_at, silent_pace
from ccproxy.protocols.jolie.http.pass_peer import PassPeer
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.paths import type_of

SHOWN = 20
"""Paths that a 404 names."""


class PassListener(StreamListener[PassPeer]):
    """One address whose requests are passed; see `StreamListener`."""

    options: CallListenerOptions

    def __init__(self, plan: ListenerPlan, kit: Kit) -> None:
        super().__init__(plan, kit)
        self._access = access_at(Address.parse(str(plan.address)))
        self.access = self._access.changed(plan.options)
        self.prefix = plan.type
        self.secured_by_tls = bool(getattr(plan.options, "tls_certificate", ""))

    @property
    def pace(self) -> PaceLimits:
        """As of every HTTP listener."""
        return silent_pace(self.options)

    @property
    def calls(self) -> int:
        """Requests under way."""
        return sum(peer.busy for peer in self.peers)

    def make(self, sock: socket.socket, peer: str) -> PassPeer:
        """A peer for an accepted socket."""
        return PassPeer(self, sock, peer)

    def take(self, message: Message, stream: Stream) -> str:
        """Give a request to the switch; its fate."""
        switch = self.kit.switch
        _, kind, proven = stream.box.owner
        if not (kind and switch.access.refusal(kind, proven, message.type)):
            return switch.take(message)
        switch.ledger.pass_by("refused", 1, message.size)
        return "refused"

    def type_of(self, names: tuple[str, ...]) -> str:
        """The message type of a path."""
        return type_of(self.prefix, names[:-1], names[-1]) if names else self.prefix

    def reason(self, fate: str, type: str) -> str:
        """What a response of ours says."""
        if fate != "unrouted":
            return f"{type} is {fate}"
        routes = self.kit.switch.routes_below(self.prefix)
        there = ["/" + one.removeprefix(f"{self.prefix}.").replace(".", "/") for one in routes]
        shown = ", ".join(there[:SHOWN]) or "no paths at all"
        return f"no route for {type}; there are {shown}{', ...' if len(there) > SHOWN else ''}"

    def stop_reading(self) -> None:
        """Take no more requests."""
        for peer in tuple(self.peers):
            peer.drain()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Answer the requests that are under way, then close."""
        self.stop_reading()
        for peer in tuple(self.peers):
            peer.give_up(reason)
        await super().close_peers(reason, seconds)

    def reconfigure(self, options: Any) -> None:
        """New options."""
        super().reconfigure(options)
        self.access = self._access.changed(options)
        self.prefix = options.type
