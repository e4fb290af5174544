"""The two sides of a gateway: each accepts connections, or makes them, at one block of ports.

To connect to a block is to be a client of a proxy there: an XPUB at P, an XSUB at P+1, a ROUTER at
P+4. To accept is to be that proxy. It must never decide which messages pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ccproxy import Context
from ccproxy.config.security import protection
from ccproxy.net.zmtp.role import LinkRole, ListenerRole

from ..zmq.bus import Bus
from ..zmq.calling import DealerSocket
from ..zmq.options import SendingOptions
from .ports import REGISTRAR, SUBSCRIPTION, beside


@dataclass(frozen=True, slots=True)
class GatewayEnd:
    """One side. `options` have the keys that are shown, or wanted, there."""

    address: str
    listens: bool
    options: SendingOptions

    @property
    def exposed(self) -> bool:
        """True if everybody who reaches it can use it."""
        return self.listens and protection(self.address, self.options.listener) == "exposed"

    def addresses(self, *offsets: int) -> Iterator[str]:
        """The addresses that this many ports above are, if it listens."""
        return (beside(self.address, one) for one in offsets if self.listens)

    def publish_to(self, ctx: Context, bus: Bus) -> None:
        """Programs on this side publish what the bus carries."""
        if self.listens:
            self.bind(ctx, 0, bus.role)
        else:
            self._link(ctx, SUBSCRIPTION, bus.role.dialled())

    def subscribe_to(self, ctx: Context, bus: Bus) -> None:
        """Programs on this side subscribe to what the bus carries."""
        if self.listens:
            self.bind(ctx, SUBSCRIPTION, bus.socket.listener_role())
        else:
            self._link(ctx, 0, bus.socket.link_role())

    def ask(self, ctx: Context, listener: ListenerRole, link: LinkRole) -> None:
        """Programs on this side ask the registrar; the roles are those of a ROUTER."""
        if self.listens:
            self.bind(ctx, REGISTRAR, listener)
        else:
            self._link(ctx, REGISTRAR, link)

    def answer(self, ctx: Context, services: DealerSocket) -> None:
        """The registrar is on this side."""
        where = beside(self.address, REGISTRAR)
        if self.listens:
            ctx.bind(where, services.listener_options(), services.listener_role())
        else:
            ctx.link(where, services.link_options(), role=services.link_role())

    def bind(self, ctx: Context, offset: int, role: ListenerRole) -> None:
        """Accept peers at one port of the block; a client that comes again keeps its name."""
        options = replace(self.options.listener, identity_conflict="handover")
        ctx.bind(beside(self.address, offset), options, role)

    def _link(self, ctx: Context, offset: int, role: LinkRole) -> None:
        ctx.link(beside(self.address, offset), self.options, role=role)
