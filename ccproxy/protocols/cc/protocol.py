"""`protocol = cc`: CC messages over ZMTP, to peers that are DEALER, REQ or ROUTER.

It must never look into a message: that is what the switch does.
"""

from __future__ import annotations

from functools import partial

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.hop_marks import MarkedIngress
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.protocol import MessageProtocol


class CcProtocol(MessageProtocol):
    """CC messages over ZMTP; the type is the dest frame."""

    Options = ZmtpListenerOptions
    about = "CC messages over ZMTP; the type is the dest frame"

    def listener(self, plan: ListenerPlan, kit: Kit) -> ZmtpListener:
        """A ROUTER socket."""
        mark = kit.identities.mark
        if not mark:
            return ZmtpListener(plan, kit)
        return ZmtpListener(plan, kit, ListenerRole(ingress=partial(MarkedIngress, mark=mark)))
