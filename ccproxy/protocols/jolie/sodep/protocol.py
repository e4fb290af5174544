"""`protocol = sodep`: calls of Jolie programs in their binary form.

It must never touch a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.net.shared import Kit
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie import options
from ccproxy.protocols.jolie.listener import CallListener
from ccproxy.protocols.jolie.sodep import Sodep, SodepLimits
from ccproxy.protocols.jolie.sodep.records import SecureSodep


class SodepProtocol(MessageProtocol):
    """Calls of Jolie programs; the type is PREFIX.RESOURCE.OPERATION."""

    Options = options.CallListenerOptions
    about = "calls of Jolie programs; the type is PREFIX.RESOURCE.OPERATION"
    calls_services = True

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """What the options alone cannot say."""
        return options.check(plan)

    def listener(self, plan: ListenerPlan, kit: Kit) -> CallListener:
        """A listener of calls."""
        longest = plan.options.max_message
        return CallListener(plan, kit, Sodep(SodepLimits(message=longest)))

    def service(self, location: Any, longest: int) -> Sodep:
        """The form of calls to a service."""
        return Sodep(SodepLimits(message=longest))


class SodepsProtocol(SodepProtocol):
    """As sodep, inside TLS."""

    Options = options.SecureCallListenerOptions
    about = "as sodep, inside TLS"
    secured = True

    def listener(self, plan: ListenerPlan, kit: Kit) -> CallListener:
        """A listener of calls."""
        longest = plan.options.max_message
        return CallListener(plan, kit, SecureSodep(SodepLimits(message=longest)))

    def service(self, location: Any, longest: int) -> SecureSodep:
        """The form of calls to a service."""
        return SecureSodep(SodepLimits(message=longest))
