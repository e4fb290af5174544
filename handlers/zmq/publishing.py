"""The sockets PUB and XPUB: subscribers connect, or are connected to, and get what they want.

It must never keep a subscription of a peer that has left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ccproxy import Context, LinkOptions, Outbox, Steps, ZmtpListenerOptions
from ccproxy.core.latest import LatestBox
from ccproxy.core.publisher import Publisher
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut, whole
from ccproxy.core.stops import TIRED
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.topics import CatchUp, LastValues
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, no_answers
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.frames import frame, span

from .options import LATEST, ZmqOptions

CANCEL, SUBSCRIBE = 0, 1
PREFIX_BYTES = 16 * 1024 * 1024
"""Bytes of all prefixes of one subscriber."""
STEP = 500
"""Prefixes of a peer that has left which are forgotten in one turn of the loop, at most; topics
that are looked at for a new subscription in one turn."""
PART = 25
"""Prefixes that are forgotten at a time: each publisher is told of them."""
FORGETTING = 0.002
"""Seconds of a turn after which no more prefixes are forgotten."""
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
        self._leaving: deque[Subscriber] = deque()
        self._behind: deque[tuple[Subscriber, CatchUp]] = deque()

    def listener_role(self) -> ListenerRole:
        """For peers that connect to us."""
        return ListenerRole(
            self.options.socket.upper().encode(), self.ingress, joined=self.joined, left=self.left,
            own_identities=True, replies=no_answers,
        )  # fmt: skip

    def link_role(self) -> LinkRole:
        """For peers that we connect to."""
        return self.listener_role().dialled()

    def listener_options(self) -> ZmtpListenerOptions:
        """The options of `bind`."""
        return self.options.listener

    def link_options(self) -> LinkOptions:
        """The options of `connect`."""
        return self.options

    async def stop(self) -> None:
        """What waits is in the outboxes of the peers, which the server ends."""

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

    def ingress(self, switch: Switch, input: PeerInput) -> SubscriberIngress:
        """Takes the subscriptions of a peer."""
        source = input.source
        peer = self.subscribers[source.identity]
        if source.version < OLDEST_TELLING:
            self.sink.subscriptions.subscribe(peer, b"")
        ingress = SubscriberIngress(switch, input, self, peer)
        if source.access is not None:
            source.access.changed = ingress.rights_changed
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

    def serve(self, peer: Subscriber, one: CatchUp) -> None:
        """Give a subscriber what it has missed, one subscriber after the other."""
        self._behind.append((peer, one))
        if len(self._behind) == 1:
            self._catch_up()

    def _catch_up(self) -> None:
        peer, one = self._behind[0]
        if peer.gone or one.step(STEP):
            self._behind.popleft()
        if self._behind:
            self.ctx.call_later(0, self._catch_up)

    def _forget(self) -> None:
        begun = self.ctx.now()
        for _ in range(0, STEP, PART):
            if self.sink.subscriptions.forget(self._leaving[0], min(PART, STEP)):
                self._leaving.popleft()
                break
            if self.ctx.now() - begun > FORGETTING:
                break
        if self._leaving:
            self.ctx.call_later(0, self._forget)


class SubscriberIngress:
    """The MessageSink of one subscriber: subscriptions, and messages for the publishers."""

    __slots__ = ("_behind", "_limits", "_peer", "_socket", "_switch", "_tired", "access")

    def __init__(
        self, switch: Switch, input: PeerInput, socket: PublishingSocket, peer: Subscriber
    ) -> None:
        source, self._limits, self._tired = input
        self._switch = switch
        self._socket = socket
        self._peer = peer
        self.access = source.access
        """What the peer may subscribe to; None = everything."""
        self._behind: CatchUp | None = None

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
        longest = self._socket.options.max_prefix
        if len(prefix) > longest:
            raise ZmtpError(f"a prefix of {len(prefix)} bytes, max-prefix = {longest}")
        if peer.size + len(prefix) > PREFIX_BYTES:
            raise ZmtpError(f"prefixes of more than {PREFIX_BYTES} bytes")
        if subscriptions.subscribe(peer, prefix):
            self._socket.repeat(prefix, subscribe)
            self._catch_up(prefix)

    def rights_changed(self) -> None:
        """A reload has given the peer other rights: take away what it may not have any more."""
        peer = self._peer
        self._socket.ctx.work(self._refuse(), 0, lambda: not peer.gone)

    def _refuse(self) -> Steps[None]:
        """Cancel the subscriptions that are not allowed, some of them in each step."""
        for number, prefix in enumerate(list(self._peer.prefixes), 1):
            access = self.access
            if access is not None and not access.rights.may_subscribe(prefix):
                self._socket.ctx.count("subscriptions.refused")
                self.change(False, prefix)
            if not number % PART:
                yield

    def _catch_up(self, prefix: bytes) -> None:
        """Give the peer the newest messages of the topics that it has just subscribed to."""
        last = self._socket.sink.last
        if last is None:
            return
        if self._behind is None:
            self._behind = CatchUp(last, self._peer.box)
        idle = self._behind.idle
        self._behind.add(prefix)
        if idle:
            self._socket.serve(self._peer, self._behind)

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
