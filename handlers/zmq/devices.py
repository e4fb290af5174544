"""The three devices of ZeroMQ, each in one section: what comes in at `in` leaves at `out`.

They need no routes. It must never give a message a way that no device has.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from ccproxy import Context, Forward, Handler, Plan, Problem
from ccproxy.core.flows import Flow, Target
from ccproxy.core.typed import Given
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.protocol import RECEIVING

from .bus import Bus, routed
from .calling import DealerSocket
from .handler import exposed
from .options import DeviceOptions, ForwarderOptions, QueueOptions, ZmqOptions
from .relays import Relays
from .working import WorkingSocket


class Device(Handler):
    """Two sockets that listen or connect."""

    Options = DeviceOptions
    standalone = True

    takes: ClassVar[str]
    """The socket at `in`."""
    gives: ClassVar[str]
    """The socket at `out`, "push" or "dealer"."""
    kind: ClassVar[type[WorkingSocket]] = WorkingSocket

    socket: WorkingSocket
    flow: Flow

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Peers must not come unseen, and both sockets need an address."""
        return addressed(self, plan)

    def listens_on(self) -> tuple[str, ...]:
        """Both sockets."""
        return both(self.options)

    async def start(self, ctx: Context) -> None:
        """Listen and connect, at `out` first: what comes in has somewhere to go."""
        self.ctx = ctx
        options: DeviceOptions = self.options
        sending = ZmqOptions.of(self.gives, options, options.out)
        self.socket = socket = self.kind(self.name, sending, ctx)
        self.flow = Flow(Target((socket.sink,)))
        for address in options.out:
            ctx.bind(address, socket.listener_options(), socket.listener_role())
        for address in options.out_connect:
            ctx.link(address, socket.link_options(), role=socket.link_role())
        receive(ctx, options, self.receiving())

    def receiving(self) -> ListenerRole:
        """The role of `in`."""
        kind, replies = RECEIVING[self.takes]
        given = Given(self.gives.encode(), FRAMES, lambda type: self.flow)
        ingress = partial(kind, given=given)
        socket = self.takes.upper().encode()
        return ListenerRole(socket, ingress, replies=replies, own_identities=True)

    def status(self) -> dict[str, Any]:
        """Facts of the socket at `out`, and what came in."""
        return {"messages": self.flow.count, "bytes": self.flow.bytes, **self.socket.status()}

    async def stop(self) -> None:
        """Let peers take what waits for them."""
        await self.socket.stop()


def receive(ctx: Context, options: DeviceOptions, role: ListenerRole) -> None:
    """Listen and connect at `in`."""
    for address in options.in_:
        ctx.bind(address, options.listener, role)
    for address in options.in_connect:
        ctx.link(address, options.receiving_link, role=role.dialled())


def both(options: DeviceOptions) -> tuple[str, ...]:
    """What both sockets of a device listen on."""
    return (*options.in_, *options.out)


def addressed(handler: Handler, plan: Plan) -> Iterator[Problem]:
    """Both sockets of a device need an address; warn of those that it listens on unprotected."""
    options: DeviceOptions = handler.options
    yield from exposed(handler, handler.listens_on(), plan)
    for name, addresses in (
        ("in", (*options.in_, *options.in_connect)),
        ("out", (*options.out, *options.out_connect)),
    ):
        if not addresses:
            what = f"[{handler.name}] has neither {name} nor {name}-connect: no peer can come"
            hint = f"add {name} = tcp://HOST:PORT"
            yield handler.problem(plan, what, hint)


class Forwarder(Handler):
    """Publishers at `in`, subscribers at `out`, as zmq.proxy(XSUB, XPUB)."""

    Options = ForwarderOptions
    standalone = True
    starts_dry = True

    bus: Bus

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Peers must not come unseen, both sockets need an address, and topics need a type."""
        yield from addressed(self, plan)
        yield from routed(self, plan)

    def listens_on(self) -> tuple[str, ...]:
        """Both sockets."""
        return both(self.options)

    async def start(self, ctx: Context) -> None:
        """Listen and connect."""
        self.ctx = ctx
        options: ForwarderOptions = self.options
        self.bus = Bus(self.name, options, ctx, options.type, options.topics)
        self.bus.listen(options.in_, options.out)
        self.bus.connect(options.in_connect, options.out_connect)

    def decide(self, type: str) -> Forward:
        """What routes lead here is published."""
        return self.bus.decide()

    def status(self) -> dict[str, Any]:
        """Facts of the socket at `out`, and what came in."""
        return self.bus.status()


class Streamer(Device):
    """Sources at `in`, workers at `out`, as zmq.proxy(PULL, PUSH)."""

    takes, gives = "pull", "push"


class QueueDevice(Device):
    """Clients at `in`, services at `out`, as zmq.proxy(ROUTER, DEALER)."""

    takes, gives = "router", "dealer"
    kind = DealerSocket

    Options = QueueOptions

    relays: Relays | None = None

    def check(self, plan: Plan) -> Iterator[Problem]:
        """With `per-peer` there is one service."""
        yield from super().check(plan)
        options: QueueOptions = self.options
        if options.per_peer and len(options.services) > 1:
            what = f"[{self.name}] has per-peer and {len(options.services)} addresses at out"
            yield self.problem(plan, what, "take one service")

    def listens_on(self) -> tuple[str, ...]:
        """With `per-peer` the addresses at `out` are those of services."""
        options: QueueOptions = self.options
        return options.in_ if options.per_peer else super().listens_on()

    async def start(self, ctx: Context) -> None:
        """Listen at `in` alone with `per-peer`: connections to `out` come with the clients."""
        options: QueueOptions = self.options
        if not options.per_peer:
            await super().start(ctx)
            return
        self.ctx = ctx
        self.relays = Relays(options, ctx)
        receive(ctx, options, self.relays.role())

    def status(self) -> dict[str, Any]:
        """Facts of the connections with `per-peer`, else as all devices."""
        return self.relays.status() if self.relays else super().status()

    async def stop(self) -> None:
        """Let services take what waits for them; links do that by themselves."""
        if self.relays is None:
            await super().stop()
