"""`protocol = zmq`: messages of ZeroMQ sockets; the type is that of the section.

It must never look into a message: that is what the switch does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.core.outbox import Outbox
from ccproxy.core.sinks import Sink
from ccproxy.core.typed import Given, TypedIngress
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.dialled import DialledListener
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, no_answers
from ccproxy.protocol import Listener, MessageProtocol
from ccproxy.protocols.zmq.calls import RepIngress, RouterIngress
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.numbered import NumberedPull, NumberedRouter
from ccproxy.protocols.zmq.options import SUBSCRIBING, ZmqListenerOptions
from ccproxy.protocols.zmq.replies import PayloadReplies, RepReplies
from ccproxy.protocols.zmq.subscriber import Subscriptor

LINK_OPTIONS = attrgetter("link")
RECEIVING: dict[str, tuple[type[TypedIngress], Callable[[Outbox], Sink | None]]] = {
    "pull": (TypedIngress, no_answers),
    "router": (RouterIngress, PayloadReplies),
    "rep": (RepIngress, RepReplies),
}
NUMBERED: dict[str, type[NumberedPull]] = {"pull": NumberedPull, "router": NumberedRouter}
"""The sockets that acknowledge what other servers send."""


class ZmqProtocol(MessageProtocol):
    """Messages of ZeroMQ sockets; the type is TYPE, or TYPE.TOPIC."""

    Options = ZmqListenerOptions
    about = "messages of ZeroMQ sockets; the type is TYPE, or TYPE.TOPIC"

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """Options that only a subscribing socket has."""
        options = plan.options
        if options.connect and plan.address:
            what = "it has both address and connect"
            yield plan.problem("connect", what, "take two sections with the same type")
        if options.socket not in SUBSCRIBING:
            for name in ("subscribe", "topics"):
                if getattr(options, name):
                    what = f'"{name}" has no meaning with socket = {options.socket}'
                    yield plan.problem(name, what, "it is for xsub and sub")

    def listener(self, plan: ListenerPlan, kit: Kit) -> Listener:
        """A listener of that socket, or the links that are in its place."""
        options: ZmqListenerOptions = plan.options
        subscribing = options.socket in SUBSCRIBING
        roles = Subscriptor(options, kit.switch) if subscribing else Receiving(options)
        if options.connect:
            return DialledListener(plan, kit, roles.link_role(), LINK_OPTIONS)
        return ZmtpListener(plan, kit, roles.listener_role())


class Receiving:
    """The roles of PULL, ROUTER and REP."""

    def __init__(self, options: ZmqListenerOptions) -> None:
        self._socket = options.socket.upper().encode()
        kind, self._replies = RECEIVING[options.socket]
        given = Given(options.type.encode(), FRAMES)
        self._ingress = partial(kind, given=given)
        numbered = NUMBERED.get(options.socket)
        self._numbered = numbered and partial(numbered, given=given)

    def listener_role(self) -> ListenerRole:
        """For peers that connect to us; those that are other servers may get acknowledgements."""
        return ListenerRole(
            self._socket, self._ingress, replies=self._replies, own_identities=True,
            numbered=self._numbered,
        )  # fmt: skip

    def link_role(self) -> LinkRole:
        """For peers that we connect to."""
        return self.listener_role().dialled()
