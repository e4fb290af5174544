"""The gateway of CLARA: programs outside reach a DPE behind a firewall, and its messages come back.

Outside it is a proxy at P, P+1 and P+2. What is published there goes to the inner side only, and
what comes from there to the subscribers: a message that were given to both would come twice. The
inner side is a proxy that it connects to, or connects to it: then nothing inside accepts anything.
Without an inner side a DPE is started with the gateway's address as its own. It must never look
behind the topic of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ccproxy import Context, Handler, Plan, Problem, kinds, option
from ccproxy.config.address import Address
from ccproxy.config.security import EXPOSED
from ccproxy.core.flows import Flow, Target
from ccproxy.core.rights import Rights
from ccproxy.core.runs import Run
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.typed import Given, typed
from ccproxy.net.zmtp.role import LinkRole, ListenerRole
from ccproxy.protocols.zmq.calls import RouterIngress
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.replies import PayloadReplies
from ccproxy.wire.zmtp.frames import pack

from ..zmq.bus import Bus
from ..zmq.calling import DealerSocket
from ..zmq.options import SendingOptions, ZmqOptions
from ..zmq.relays import PayloadSink
from .control import CONTROL, SUB, ControlChannel
from .ends import GatewayEnd
from .permit import Permit
from .ports import BLOCK, REGISTRAR, REMOTE_BLOCK, SUBSCRIPTION
from .ports import CONTROL as CONTROL_PORT
from .sorting import Sorted, SortingIngress

TYPE = b"clara"
"""The first part of the types by which `[allow:NAME]` names what a peer may send."""
NAMES = kinds.list_of(kinds.text)


@dataclass(frozen=True, slots=True)
class ClaraGatewayOptions(SendingOptions):
    """Both sides, and what may pass. Keys and passwords are for the connections between them."""

    address: str = option(
        BLOCK, default="", help="where programs outside publish (port P); the ports P+1, P+2 and, "
        "with registrar, P+4 belong to it",
    )  # fmt: skip
    inner: str = option(
        REMOTE_BLOCK, default="", help="the proxy of the DPE inside, to which we connect"
    )
    inner_address: str = option(
        BLOCK, default="", help="where a gateway section inside, with gateway = this address, "
        "connects to: this port, the next one, and the fourth after it with registrar",
    )  # fmt: skip
    gateway: str = option(
        REMOTE_BLOCK, default="", help="inner-address of the gateway outside, to which we connect "
        "from inside, in the place of address",
    )  # fmt: skip
    registrar: bool = option(
        kinds.flag, default=False, help="yes: requests to the registrar at P+4 pass, too"
    )
    dpes: tuple[str, ...] = option(
        NAMES, default=(), help="names of DPEs: only requests to them enter, and only their "
        "reports and answers leave; without dpes and topics everything passes",
    )  # fmt: skip
    topics: tuple[str, ...] = option(
        NAMES, default=(), help="beginnings of topics that may pass in both directions as well"
    )

    @property
    def keyed(self) -> tuple[Any, ...]:
        """What has the keys: the connections between both sides, or the only side."""
        links = (self,) if self.gateway or (self.inner and self.address) else ()
        return links or (self.listener,)

    @property
    def outer_end(self) -> GatewayEnd:
        """The side of the programs outside, which speak no CURVE; with `gateway` the way there."""
        if self.gateway:
            return GatewayEnd(self.gateway, False, self)
        hidden = self.inner or self.inner_address
        return GatewayEnd(self.address, True, self._without_keys() if hidden else self)

    @property
    def inner_end(self) -> GatewayEnd:
        """The side of the DPE; programs outside and inside share one without an inner address."""
        if self.inner:
            return GatewayEnd(self.inner, False, self._without_keys() if self.gateway else self)
        if self.inner_address:
            return GatewayEnd(self.inner_address, True, replace(self, addresses=()))
        return self.outer_end

    def _without_keys(self) -> ClaraGatewayOptions:
        return replace(
            self, curve_secret="", curve_allow="", curve_server="", plain_users="", plain_user="",
            plain_password_file="",
        )  # fmt: skip


class ClaraGateway(Handler):
    """The way to a CLARA DPE behind a firewall, and back."""

    Options = ClaraGatewayOptions
    standalone = True

    control: ControlChannel | None = None
    registrar: DealerSocket | None = None

    def check(self, plan: Plan) -> Iterator[Problem]:
        """The sides must fit, and peers must not come unseen."""
        options: ClaraGatewayOptions = self.options
        found = [*mistakes(options)]
        for what, hint in found:
            yield self.problem(plan, f"[{self.name}] {what}", hint)
        if found:
            return
        for end in dict.fromkeys((options.outer_end, options.inner_end)):
            if end.exposed:
                what = f"[{self.name}]: everybody who reaches {end.address} can use it"
                yield self.problem(plan, what, EXPOSED, warning=True)

    def listens_on(self) -> Iterator[str]:
        """P and P+1 of each side that listens, P+2 outside, and P+4 with `registrar`."""
        options: ClaraGatewayOptions = self.options
        if any(mistakes(options)):
            return
        outer, inner = options.outer_end, options.inner_end
        both = (0, SUBSCRIPTION, *((REGISTRAR,) if options.registrar else ()))
        yield from outer.addresses(*both, CONTROL_PORT)
        if inner != outer:
            yield from inner.addresses(*both)

    async def start(self, ctx: Context) -> None:
        """Be ready to give messages to both sides before any is taken."""
        self.ctx = ctx
        options: ClaraGatewayOptions = self.options
        outer, inner = options.outer_end, options.inner_end
        self.permit = Permit(options.dpes, options.topics)
        self.refused = Flow(Target(fate="refused", reason=self.name))
        self.inward = Bus(f"{self.name} inward", options, ctx)
        self.outward = self.inward if outer == inner else Bus(f"{self.name} outward", options, ctx)
        self._choose()
        if outer.listens:
            self._answer_handshakes(outer)
        inner.subscribe_to(ctx, self.inward)
        if self.outward is not self.inward:
            outer.subscribe_to(ctx, self.outward)
            inner.publish_to(ctx, self.outward)
        if options.registrar:
            self._pass_requests(outer, inner)
        outer.publish_to(ctx, self.inward)

    def status(self) -> dict[str, Any]:
        """Facts of both directions, and of the control channel."""
        found = {"in": self.inward.flow.count, "out": self.outward.flow.count}
        found |= {"refused": self.refused.count, **self.outward.socket.status()}
        return {**found, **(self.control.status() if self.control else {})}

    async def stop(self) -> None:
        """Drop requests to the registrar that nothing has taken."""
        if self.registrar is not None:
            await self.registrar.stop()

    def _choose(self) -> None:
        """Let the topics decide what enters and what leaves."""
        if self.outward is self.inward:
            self._use(self.inward, lambda topic: self._enters(topic) or self._leaves(topic))
        else:
            self._use(self.inward, self._enters)
            self._use(self.outward, self._leaves)

    def _use(self, bus: Bus, passes: Callable[[bytes], Flow | None]) -> None:
        def sort(topic: bytes, rights: Rights) -> Flow:
            if rights.send is not None and not rights.may_send(typed(TYPE, topic).decode()):
                return Flow(Target(fate="refused", reason=f"allow:{rights.name}"))
            return passes(topic) or self.refused

        bus.use(partial(SortingIngress, given=Sorted(TYPE, FRAMES, sort=sort, topics=True)))

    def _enters(self, topic: bytes) -> Flow | None:
        if topic.startswith(CONTROL):
            return self.requests if self.control else self.inward.flow
        return self.inward.flow if self.permit.enters(topic) else None

    def _leaves(self, topic: bytes) -> Flow | None:
        return self.outward.flow if self.permit.leaves(topic) else None

    def _answer_handshakes(self, outer: GatewayEnd) -> None:
        self.control = control = ControlChannel(self.name, self.ctx, self._confirm)
        self.requests = Flow(Target((PayloadSink(control.box),)))
        # Publishers are asked for what is subscribed to here; requests come by a flow of their own.
        # A subscriber that is gone gets nothing: a check that goes on to the proxy inside would
        # come back to us else, and go on again, for ever.
        asking = Subscriber(control.box)
        asking.gone = True
        self.inward.socket.sink.subscriptions.subscribe(asking, CONTROL)
        outer.bind(self.ctx, CONTROL_PORT, control.role())

    def _confirm(self, topic: bytes, request: bytes) -> None:
        """Let the proxy inside confirm a subscription, which shows that all of the way is there."""
        alone = self.outward is self.inward
        self.inward.socket.sink.take(
            Run(None, 1, payloads=pack([topic, SUB]) if alone else request)
        )

    def _pass_requests(self, outer: GatewayEnd, inner: GatewayEnd) -> None:
        options = ZmqOptions.of("dealer", inner.options)
        self.registrar = services = DealerSocket(f"{self.name} registrar", options, self.ctx)
        flow = Flow(Target((services.sink,)))
        ingress = partial(RouterIngress, given=Given(TYPE, FRAMES, lambda type: flow))
        inner.answer(self.ctx, services)
        outer.ask(
            self.ctx,
            ListenerRole(b"ROUTER", ingress, replies=PayloadReplies, own_identities=True),
            LinkRole(b"ROUTER", ingress=ingress, replies=PayloadReplies),
        )


def _leads(remote: str, address: str) -> bool:
    """True if a connection to `remote` surely comes to the listener on `address`."""
    return Address.parse(remote).leads_to(Address.parse(address))


def mistakes(options: ClaraGatewayOptions) -> Iterator[tuple[str, str]]:
    """What does not fit together, and what to do."""
    if bool(options.address) == bool(options.gateway):
        yield "needs either address or gateway", "outside: address = tcp://*:7771"
    if options.inner and options.inner_address:
        yield "has inner and inner-address", "connect to the inner side, or let it connect to you"
    if options.inner and options.address and _leads(options.inner, options.address):
        yield "has its own address as inner", "inner = the address of the proxy of the DPE"
    if options.gateway and not options.inner:
        yield "has gateway and no inner", "inner = the address of the proxy of the DPE"
    if options.registrar and not (options.inner or options.inner_address):
        yield "has registrar and no inner side", "use a section with handler = xmsg-registrar"
