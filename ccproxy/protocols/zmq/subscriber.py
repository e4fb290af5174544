"""The sockets SUB and XSUB: publishers connect, or are connected to, and are told what we want.

What we want follows from the routes, see `ccproxy.core.demand`. Each publisher gets the whole set
when it comes, and each change after that. It must never ask for less than a destination wants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from ccproxy.core.demand import Demand
from ccproxy.core.flows import Target
from ccproxy.core.outbox import Outbox
from ccproxy.core.typed import Given, TopicIngress, TypedIngress
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, no_answers
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.wishes import Wishes


class Publishers:
    """The publishers of one socket, which are told what its `demand` is."""

    def __init__(self) -> None:
        self.demand = Demand(self._ask, self._send)
        self._publishers: dict[bytes, Wishes] = {}

    def joined(self, identity: bytes, box: Outbox) -> None:
        """A publisher has come: it is told everything."""
        told = self._publishers[identity] = Wishes(box, self.demand.wants)
        told.tell(tuple(self.demand.prefixes))

    def left(self, identity: bytes, box: Outbox) -> None:
        """A publisher is gone."""
        self._publishers.pop(identity).stop()
        box.clear("gone")

    def _ask(self, prefixes: Sequence[bytes]) -> None:
        for told in self._publishers.values():
            told.tell(prefixes)

    def _send(self, message: bytes) -> bool:
        """Send a message to every publisher; False if none has taken it."""
        taken = [told.box.offer(message, 1) for told in self._publishers.values()]
        return any(taken)


class Routing(Protocol):
    """Where messages go: the switch, or the Context of a handler."""

    def targets(self, type: str, below: bool) -> Sequence[Target]:
        """The targets of a type, and with `below` those of longer types with routes."""

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `targets` may answer otherwise."""

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""


class Subscriptor(Publishers):
    """What one SUB or XSUB socket whose messages have routes asks of its publishers."""

    def __init__(
        self, options: ZmqListenerOptions, routing: Routing, own: Sequence[Target] = ()
    ) -> None:
        """`own` are targets whose demand counts whatever the routes are."""
        super().__init__()
        self.options = options
        self._routing = routing
        self._own = own
        routing.watch(self._follow)
        self._follow()

    def listener_role(self) -> ListenerRole:
        """For publishers that connect to us."""
        return ListenerRole(
            self._socket, self._ingress(), joined=self.joined, left=self.left, replies=no_answers,
            own_identities=True, reconfigured=self.reconfigure, stopped=self.stop,
        )  # fmt: skip

    def link_role(self) -> LinkRole:
        """For publishers that we connect to."""
        return self.listener_role().dialled()

    def reconfigure(self, options: ZmqListenerOptions) -> None:
        """Use new options; `subscribe` holds at once."""
        self.options = options
        self._follow()

    def stop(self) -> None:
        """Follow no destination any more; what was wanted stays so until the publishers go."""
        self._routing.unwatch(self._follow)
        self.demand.follow((), tuple(self.demand.prefixes))

    @property
    def _socket(self) -> bytes:
        return self.options.socket.upper().encode()

    def _ingress(self) -> Any:
        kind = TopicIngress if self.options.topics else TypedIngress
        return partial(kind, given=Given(self.options.type.encode(), FRAMES))

    def _follow(self) -> None:
        """Look again where the messages go."""
        options = self.options
        fixed = options.subscribe
        targets = self._routing.targets(options.type, options.topics)
        self.demand.follow(
            [*targets, *self._own], None if fixed is None else [one.encode() for one in fixed]
        )
