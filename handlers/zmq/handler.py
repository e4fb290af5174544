"""The handler `zmq`: messages leave by a ZeroMQ socket, without their type.

The handler does not see the messages: the switch gives them to the socket's sink. It must never
look into a payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy import Context, Forward, Handler, Plan, Problem
from ccproxy.config.security import EXPOSED, protection

from .options import PUBLISHING, ZmqOptions
from .publishing import PublishingSocket
from .working import WorkingSocket


class Zmq(Handler):
    """One socket with any number of addresses, of which some listen and others connect."""

    Options = ZmqOptions
    standalone = True

    socket: PublishingSocket | WorkingSocket

    def check(self, plan: Plan) -> Iterator[Problem]:
        """There must be an address, and peers must not come unseen."""
        yield from self.exposed(plan)
        if not self.options.bind and not self.options.connect:
            mine = plan.handler(self.name)
            what = f"[{self.name}] has neither bind nor connect: no peer can come"
            yield Problem(plan.file, mine.line if mine else 0, what, "add bind = tcp://HOST:PORT")

    def exposed(self, plan: Plan) -> Iterator[Problem]:
        """Warn of addresses that nothing protects."""
        mine = plan.handler(self.name)
        for address in self.options.bind:
            if mine is not None and protection(address, self.options.listener) == "exposed":
                what = f"[{self.name}]: everybody who reaches {address} can use it"
                yield Problem(plan.file, mine.line, what, EXPOSED, warning=True)

    async def start(self, ctx: Context) -> None:
        """Listen and connect."""
        self.ctx = ctx
        options: ZmqOptions = self.options
        kind = PublishingSocket if options.socket in PUBLISHING else WorkingSocket
        self.socket = socket = kind(self.name, options, ctx)
        for address in options.bind:
            ctx.bind(address, socket.listener_options(), socket.listener_role())
        for address in options.connect:
            ctx.link(address, socket.link_options(), role=socket.link_role())

    def decide(self, type: str) -> Forward:
        """Every type leaves by the socket."""
        return Forward(self.socket.sink)

    def status(self) -> dict[str, Any]:
        """Facts of the socket."""
        return self.socket.status()

    async def stop(self) -> None:
        """Let peers take what waits for them."""
        await self.socket.stop()
