"""`protocol = zmq`: messages of ZeroMQ sockets; the type is that of the section.

It must never look into a message: that is what the switch does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.core.typed import Given, TypedIngress
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.zmq.options import SUBSCRIBING, ZmqListenerOptions
from ccproxy.protocols.zmq.replies import PayloadReplies, nothing
from ccproxy.protocols.zmq.subscriber import SubscribingListener


class ZmqProtocol(MessageProtocol):
    """Messages of ZeroMQ sockets; the type is TYPE, or TYPE.TOPIC."""

    Options = ZmqListenerOptions
    about = "messages of ZeroMQ sockets; the type is TYPE, or TYPE.TOPIC"

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """Options that only a subscribing socket has."""
        options = plan.options
        if options.socket not in SUBSCRIBING:
            for name in ("subscribe", "topics"):
                if getattr(options, name):
                    what = f'"{name}" has no meaning with socket = {options.socket}'
                    yield plan.problem(name, what, "it is for xsub and sub")

    def listener(self, plan: ListenerPlan, kit: Kit) -> ZmtpListener:
        """A listener of that socket."""
        if plan.options.socket in SUBSCRIBING:
            return SubscribingListener(plan, kit)
        return ZmtpListener(plan, kit, receiving(plan.options))


def receiving(options: ZmqListenerOptions) -> ListenerRole:
    """The role of PULL, ROUTER and REP."""
    given = Given(options.type.encode())
    return ListenerRole(
        options.socket.upper().encode(),
        partial(TypedIngress, given=given),
        replies=nothing if options.socket == "pull" else PayloadReplies,
        own_identities=True,
    )
