"""The proxy of xMsg, and so of a CLARA DPE: XSUB at P, XPUB at P+1, the control channel at P+2.

Real programs of xMsg and CLARA use it as their own proxy; what they need of one stands in
docs/clara.md. It must never look into a message that is not for the control channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ccproxy import Context, Forward, Handler, Plan, Problem
from ccproxy.core.flows import Flow
from ccproxy.core.rights import Rights
from ccproxy.core.runs import Run
from ccproxy.core.subscriptions import Subscriber
from ccproxy.wire.zmtp.frames import pack

from ..zmq.bus import Bus, routed
from ..zmq.handler import exposed
from ..zmq.options import SendingOptions, bus_topics, bus_type
from .control import CONTROL, SUB, ControlChannel
from .ports import CONTROL as CONTROL_PORT
from .ports import SUBSCRIPTION, beside, proxy_address
from .sorting import Sorted, SortingIngress


@dataclass(frozen=True, slots=True)
class XmsgProxyOptions(SendingOptions):
    """The address, and the type of what is published, if it has routes."""

    address: str = proxy_address("tcp://*:7771")
    type: str = bus_type()
    topics: bool = bus_topics()

    @property
    def keyed(self) -> tuple[Any, ...]:
        """All three sockets listen."""
        return (self.listener,)


class XmsgProxy(Handler):
    """The proxy of xMsg actors or of one CLARA DPE, with its control channel."""

    Options = XmsgProxyOptions
    standalone = True

    bus: Bus
    control: ControlChannel

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Peers must not come unseen, and topics need a type."""
        yield from exposed(self, [self.options.address], plan)
        yield from routed(self, plan)

    def listens_on(self) -> Iterator[str]:
        """P, P+1 and P+2."""
        address: str = self.options.address
        return (beside(address, offset) for offset in (0, SUBSCRIPTION, CONTROL_PORT))

    async def start(self, ctx: Context) -> None:
        """Listen, where publishers connect last: what comes in has somewhere to go."""
        self.ctx = ctx
        options: XmsgProxyOptions = self.options
        self.bus = bus = Bus(self.name, options, ctx, options.type, options.topics)
        self.control = ControlChannel(self.name, ctx, self._confirm)
        bus.socket.sink.subscriptions.subscribe(Subscriber(self.control.box), CONTROL)
        if options.type:
            given = Sorted(options.type.encode(), sort=self._sort, topics=options.topics)
            bus.use(partial(SortingIngress, given=given))
        listener = replace(options.listener, identity_conflict="handover")
        ctx.bind(beside(options.address, CONTROL_PORT), listener, self.control.role())
        bus.listen([options.address], [beside(options.address, SUBSCRIPTION)])

    def decide(self, type: str) -> Forward:
        """What routes lead here is published."""
        return self.bus.decide()

    def status(self) -> dict[str, Any]:
        """Facts of the bus and of the control channel."""
        return {**self.bus.status(), **self.control.status()}

    def _sort(self, topic: bytes, rights: Rights) -> Flow | None:
        """Requests to the proxy do not leave it, whatever the routes are."""
        return self.bus.flow if topic.startswith(CONTROL) else None

    def _confirm(self, topic: bytes, request: bytes) -> None:
        """Show a client that its subscription is known: publish two frames to its topic."""
        answer = pack([topic, SUB])
        self.bus.socket.sink.take(Run(None, 1, payloads=answer))
