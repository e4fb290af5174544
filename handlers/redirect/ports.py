"""Makes the targets and the ports of one redirect, as the options of its section say.

It must never decide which port a call gets.
"""

from __future__ import annotations

import itertools
from typing import Any

from ccproxy import Context
from ccproxy.protocol import MessageProtocol

from .connections import Connections, RespondTo
from .location import Location
from .options import Options, spoken_at
from .output_port import OutputPort
from .target import ServiceTarget


class PortMaker:
    """The limits, bodies, certificates and couriers are those of the section for every port."""

    def __init__(self, ctx: Context, options: Options, respond: RespondTo) -> None:
        self.ctx = ctx
        self.options = options
        self._respond = respond
        self._couriers: list[Any] = [ctx.handler(one) for one in options.couriers]
        self._protocols: dict[str, MessageProtocol] = {}

    def target(self, location: Location, protocol: str) -> ServiceTarget:
        """The service at a place; ValueError if it cannot be called in this protocol."""
        spoken_at(location, protocol)
        known, options = self._protocols, self.options
        if protocol not in known:
            known[protocol] = self.ctx.protocol(protocol)
        target = ServiceTarget(location, known[protocol], options.limits(), options.style())
        target.form()
        return target

    def port(self, target: ServiceTarget) -> Connections:
        """A port that points to this target; nothing is connected before its first call."""
        port = OutputPort(target, itertools.count(1), self._couriers, self.ctx.now)
        return Connections(self.ctx, port, self.options.wire(), self._respond)
