"""The handler `cameo-proxy`: what the programs cameo-rep-proxy and cameo-pub-proxy do, and more.

Requests and answers go from peer to peer by their address, publications from the internal address
to the subscribers. It must never make an answer of its own, nor look into a payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy import Context, Forward, Handler, Outbox, Plan, Problem
from ccproxy.config.security import protection
from ccproxy.core.runs import PeerInput
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.role import ListenerRole, MessageSink
from ccproxy.protocols.zmq.replies import PayloadReplies

from ..zmq.bus import Bus, leads
from ..zmq.handler import exposed
from .notices import Undelivered
from .options import CameoOptions
from .peers import PeerTable
from .responder import ResponderIngress
from .routed import AddressedSink, RoutedIngress

PROXY_ID = b"R"
"""The routing id of CAMEO's responder proxy: the first frame that its ROUTER peers see."""
REQUEST, PUBLICATION = "request", "publication"
"""The second part of the types, with `type`."""
KEEP_CLOSED = "the firewall has to keep this third port closed; open = yes says that it does"


class CameoProxy(Handler):
    """CAMEO's responder proxy and publisher proxy, in one section."""

    Options = CameoOptions
    standalone = True

    bus: Bus | None = None
    losses: Undelivered
    requests: AddressedSink

    def check(self, plan: Plan) -> Iterator[Problem]:
        """There must be addresses, peers must not come unseen, and a type needs a route."""
        options: CameoOptions = self.options
        responder, publisher, internal = options.addresses_of_sockets
        if not (responder or publisher or internal):
            what = f"[{self.name}] has no address: no peer can come"
            yield self.problem(plan, what, "add proxy-ports = 10000, 10001, 10002")
        elif bool(publisher) != bool(internal):
            what = f"[{self.name}] has one of publisher and internal: nothing can be published"
            yield self.problem(plan, what, "give both, or proxy-ports")
        yield from exposed(self, filter(None, (responder, publisher)), plan)
        if internal and protection(internal, options) == "exposed":
            what = f"[{self.name}]: everybody who reaches {internal} can publish"
            yield self.problem(plan, what, KEEP_CLOSED, warning=True)
        if options.type and not leads(plan, options.type, self.name):
            what = f"[{self.name}]: no route leads {options.type} back here"
            hint = f"add {options.type} = {self.name} to [routes], or leave out type"
            yield self.problem(plan, what, hint, warning=True)

    def listens_on(self) -> Iterator[str]:
        """The addresses of the sockets that there are."""
        return filter(None, self.options.addresses_of_sockets)

    def explain(self, type: str, plan: Plan) -> str:
        """Whether it is a request or a publication."""
        if self._is_request(type):
            return "goes to the peer that the request is for"
        return "goes to the subscribers that want it"

    async def start(self, ctx: Context) -> None:
        """Listen."""
        self.ctx = ctx
        options: CameoOptions = self.options
        responder, publisher, internal = options.addresses_of_sockets
        self.peers = PeerTable()
        self.losses = Undelivered(ctx)
        self.requests = AddressedSink(self.name, self.peers, self.losses)
        if publisher:
            kind = f"{options.type}.{PUBLICATION}" if options.type else ""
            self.bus = Bus(self.name, options.publishing, ctx, kind, topics=bool(kind))
            self.bus.listen((internal,), (publisher,))
        if responder:
            ctx.bind(responder, options, self.role())

    def role(self) -> ListenerRole:
        """The role of the responder proxy's socket."""
        return ListenerRole(
            b"ROUTER", self.ingress, identity=PROXY_ID, left=self.left, replies=PayloadReplies,
            own_identities=True,
        )  # fmt: skip

    def ingress(self, switch: Switch, input: PeerInput) -> MessageSink:
        """A peer is connected: others can send to its id from now on."""
        peer = self.peers.enter(input.source, self.ctx.now())
        table = (self.peers, peer, self.losses)
        if self.options.type:
            prefix = f"{self.options.type}.{REQUEST}".encode()
            return RoutedIngress(switch, input, table, prefix)
        return ResponderIngress(switch, input, table)

    def left(self, identity: bytes, box: Outbox) -> None:
        """A peer is gone."""
        self.peers.leave(identity)

    def decide(self, type: str) -> Forward:
        """What routes lead here goes to the peer that it is for, or to the subscribers."""
        if self.bus is None or self._is_request(type):
            return Forward(self.requests)
        return self.bus.decide()

    def status(self) -> dict[str, Any]:
        """Peers and losses of the responder proxy, facts of the publisher proxy."""
        published = {} if self.bus is None else self.bus.status()
        return {**published, **self.losses.status(), **self.peers.status(self.ctx.now())}

    def _is_request(self, type: str) -> bool:
        prefix = f"{self.options.type}.{REQUEST}"
        return bool(self.options.type) and f"{type}.".startswith(f"{prefix}.")
