"""Listeners that are the sockets SUB and XSUB: publishers connect, and are told what we want.

What we want follows from the routes, see `ccproxy.core.demand`. Each publisher gets the whole set
when it comes, and each change after that. It must never ask for less than a destination wants.
"""

from __future__ import annotations

from functools import partial

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.demand import Demand
from ccproxy.core.outbox import Outbox
from ccproxy.core.typed import Given, TopicIngress, TypedIngress
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.replies import nothing
from ccproxy.wire.zmtp.frames import frame

CANCEL, SUBSCRIBE = b"\0", b"\1"


class SubscribingListener(ZmtpListener):
    """One address of a SUB or XSUB socket."""

    def __init__(self, plan: ListenerPlan, kit: Kit) -> None:
        options = plan.options
        ingress = TopicIngress if options.topics else TypedIngress
        role = ListenerRole(
            options.socket.upper().encode(),
            partial(ingress, given=Given(options.type.encode())),
            joined=self._joined,
            left=self._left,
            replies=nothing,
            own_identities=True,
        )
        super().__init__(plan, kit, role)
        self.demand = Demand(self._ask, self._send)
        self._publishers: dict[bytes, Outbox] = {}
        kit.switch.table.watchers.append(self._follow)
        self._follow()

    def stop_reading(self) -> None:
        """Read what the publishers have sent, and follow no destination any more."""
        watchers = self._kit.switch.table.watchers
        if self._follow in watchers:
            watchers.remove(self._follow)
            self.demand.follow((), tuple(self.demand.prefixes))
        super().stop_reading()

    def reconfigure(self, options: ZmtpListenerOptions) -> None:
        """Use new options; `subscribe` holds at once."""
        super().reconfigure(options)
        self._follow()

    def _follow(self) -> None:
        """Look again where the messages go."""
        options = self.options
        assert isinstance(options, ZmqListenerOptions)
        fixed = options.subscribe
        targets = self._kit.switch.targets(options.type, options.topics)
        self.demand.follow(targets, None if fixed is None else [one.encode() for one in fixed])

    def _joined(self, identity: bytes, box: Outbox) -> None:
        self._publishers[identity] = box
        wanted = list(self.demand.prefixes)
        if wanted:
            box.offer(b"".join([frame(SUBSCRIBE + one) for one in wanted]), len(wanted))

    def _left(self, identity: bytes, box: Outbox) -> None:
        del self._publishers[identity]

    def _ask(self, more: bool, prefix: bytes) -> None:
        self._send(frame((SUBSCRIBE if more else CANCEL) + prefix))

    def _send(self, message: bytes) -> bool:
        """Send a message to every publisher; False if none has taken it."""
        taken = [box.offer(message, 1) for box in self._publishers.values()]
        return any(taken)
