"""`protocol = ssmmp`: messages of service meshes as plain text, in any of their framings.

It must never know what a message means: Manager and agent are handlers.
"""

from __future__ import annotations

from ccproxy.config.plan import ListenerPlan
from ccproxy.net.shared import Kit
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.ssmmp.listener import TextListener


class SsmmpProtocol(MessageProtocol):
    """SSMMP as plain text; the type is ssmmp.MESSAGE-TYPE."""

    about = "SSMMP as plain text; the type is ssmmp.MESSAGE-TYPE"

    def listener(self, plan: ListenerPlan, kit: Kit) -> TextListener:
        """A listener of texts."""
        return TextListener(plan, kit)
