"""The sockets PUB and XPUB: subscribers connect, or are connected to, and get what they want.

It must never keep a subscription of a peer that has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccproxy import Context, Outbox
from ccproxy.core.latest import LatestBox
from ccproxy.core.publisher import Publisher
from ccproxy.core.rights import PeerAccess
from ccproxy.core.runs import MessageSource
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut, whole
from ccproxy.core.stops import TIRED
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.topics import LastValues
from ccproxy.net.zmtp.role import LinkRole, ListenerRole
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.frames import frame, span

from .options import LATEST, ZmqOptions

CANCEL, SUBSCRIBE = 0, 1
PREFIX_BYTES = 16 * 1024 * 1024
"""Bytes of all prefixes of one subscriber."""
STEP = 500
"""Prefixes of a peer that has left which are forgotten in one turn of the loop."""
OLDEST_TELLING = (2, 0)
"""Peers of earlier versions of ZMTP send no subscriptions, and get everything."""


class PublishingSocket:
    """All subscribers of one section."""

    def __init__(self, name: str, options: ZmqOptions, ctx: Context) -> None:
        blocks = options.on_full == "block"
        tells = options.socket == "xpub" and not options.last_value
        self.sink = Publisher(name, blocks, tells)
        if options.last_value:
            self.sink.last = LastValues(options.last_value)
        self.ctx = ctx
        self.options = options
        self.subscribers: dict[bytes, Subscriber] = {}
        self._leaving: list[Subscriber] = []

    def listener_role(self) -> ListenerRole:
        """For peers that connect to us."""
        return ListenerRole(
            self.options.socket.upper().encode(), self.ingress, joined=self.joined, left=self.left,
            own_identities=True, replies=lambda box: None,
        )  # fmt: skip

    def link_role(self) -> LinkRole:
        """For peers that we connect to."""
        return LinkRole(
            self.options.socket.upper().encode(), ingress=self.ingress, joined=self.joined,
            left=self.left,
        )  # fmt: skip

    def joined(self, identity: bytes, box: Outbox) -> None:
        """A peer has come."""
        latest = self.options.on_full == LATEST
        sink = LatestBox(box, self.options.queue) if latest else box
        self.subscribers[identity] = Subscriber(sink)
        if self.options.welcome:
            box.offer(frame(self.options.welcome.encode()), 1)

    def left(self, identity: bytes, box: Outbox) -> None:
        """A peer is gone: it gets nothing from now on, its prefixes go step by step."""
        peer = self.subscribers.pop(identity)
        self.sink.forget(peer.box)
        if isinstance(peer.box, LatestBox):
            peer.box.clear("gone")
        self.sink.subscriptions.leave(peer)
        self._leaving.append(peer)
        if len(self._leaving) == 1:
            self._forget()

    def ingress(
        self,
        switch: Switch,
        source: MessageSource,
        limits: tuple[int, int],
        tired: Callable[[], bool],
    ) -> SubscriberIngress:
        """Takes the subscriptions of a peer."""
        peer = self.subscribers[source.identity]
        if source.version < OLDEST_TELLING:
            self.sink.subscriptions.subscribe(peer, b"")
        ingress = SubscriberIngress(self, switch, peer, limits, tired)
        ingress.access = source.access
        return ingress

    def repeat(self, prefix: bytes, subscribe: bool) -> None:
        """Tell publishers of a change that makes no difference to the others, if they want that."""
        verbose, subscriptions = self.options.verbose, self.sink.subscriptions
        if verbose == "no" or (not subscribe and verbose == "yes"):
            return
        if subscriptions.wanted(prefix) > subscribe:
            message = frame((b"\1" if subscribe else b"\0") + prefix)
            for one in self.sink.upstream:
                one.message(message)

    def status(self) -> dict[str, Any]:
        """Facts for the status page."""
        return {
            "subscribers": len(self.subscribers),
            "subscriptions": self.sink.subscriptions.count,
            "unsubscribed": self.sink.unsubscribed,
        }

    def _forget(self) -> None:
        if self.sink.subscriptions.forget(self._leaving[0], STEP):
            self._leaving.pop(0)
        if self._leaving:
            self.ctx.call_later(0, self._forget)


class SubscriberIngress:
    """The MessageSink of one subscriber: subscriptions, and messages for the publishers."""

    __slots__ = ("_limits", "_peer", "_socket", "_switch", "_tired", "access")

    def __init__(
        self,
        socket: PublishingSocket,
        switch: Switch,
        peer: Subscriber,
        limits: tuple[int, int],
        tired: Callable[[], bool],
    ) -> None:
        self._socket = socket
        self._switch = switch
        self._peer = peer
        self._limits = limits
        self._tired = tired
        self.access: PeerAccess | None = None
        """What the peer may subscribe to; None = everything."""

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Take the whole messages of a read, see `hot.scan`."""
        end, _, stop = whole(data, self._limits)
        done = 0
        for message in cut(data[:end]):
            self._message(message)
            done += len(message)
            if done < end and self._tired():
                return done, TIRED, ()
        return done, stop, ()

    def change(self, subscribe: bool, prefix: bytes) -> None:
        """The peer wants a prefix, or not any more; ZmtpError if it wants too many."""
        subscriptions, peer = self._socket.sink.subscriptions, self._peer
        if not subscribe:
            if subscriptions.cancel(peer, prefix):
                self._socket.repeat(prefix, subscribe)
            return
        if self.access is not None and not self.access.rights.may_subscribe(prefix):
            self._socket.ctx.count("subscriptions.refused")
            return
        most = self._socket.options.max_subscriptions
        if len(peer.prefixes) >= most and prefix not in peer.prefixes:
            raise ZmtpError(f"more than max-subscriptions = {most} prefixes")
        if peer.size + len(prefix) > PREFIX_BYTES:
            raise ZmtpError(f"prefixes of more than {PREFIX_BYTES} bytes")
        if subscriptions.subscribe(peer, prefix):
            self._socket.repeat(prefix, subscribe)
            self._catch_up(prefix)

    def _catch_up(self, prefix: bytes) -> None:
        """Give the peer the newest messages of the topics that it has just subscribed to."""
        last = self._socket.sink.last
        if last is not None:
            found = list(last.matching(prefix))
            if found:
                self._peer.box.offer(b"".join(found), len(found))

    def _message(self, message: bytes) -> None:
        """Take the frames in front that are subscriptions, as libzmq does, and pass on the rest."""
        at = 0
        while at < len(message):
            found = span(message, at)
            assert found is not None
            _, start, end = found
            if start == end or message[start] not in (CANCEL, SUBSCRIBE):
                self._pass_on(message[at:])
                return
            self.change(message[start] == SUBSCRIBE, message[start + 1 : end])
            at = end

    def _pass_on(self, message: bytes) -> None:
        ledger, size = self._switch.ledger, len(message)
        ledger.receive(1, size)
        sent = [one.message(message) for one in self._socket.sink.upstream]
        ledger.end("forwarded" if any(sent) else "unrouted", 1, size)
