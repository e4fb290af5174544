"""The handler `zmq`: messages leave by a ZeroMQ socket, without their type.

The handler does not see the messages: the switch gives them to the socket's sink. It must never
look into a payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ccproxy import Context, Forward, Handler, Member, Plan, Problem
from ccproxy.config.delivery import SENT
from ccproxy.config.security import EXPOSED, protection
from ccproxy.config.spools import spool_problems

from .acknowledged import ACKNOWLEDGED, AcknowledgedPush, unacknowledgeable
from .calling import DealerSocket, ReqSocket
from .options import CALLING, LATEST, PUBLISHING, ZmqOptions
from .publishing import PublishingSocket
from .working import WorkingSocket

SOCKETS: dict[str, type[PublishingSocket] | type[WorkingSocket]] = {
    "xpub": PublishingSocket,
    "pub": PublishingSocket,
    "push": WorkingSocket,
    "dealer": DealerSocket,
    "req": ReqSocket,
}


class Zmq(Handler):
    """One socket with any number of addresses, of which some listen and others connect."""

    Options = ZmqOptions
    standalone = True
    starts_dry = True

    socket: PublishingSocket | WorkingSocket | AcknowledgedPush

    def check(self, plan: Plan) -> Iterator[Problem]:
        """There must be an address, peers must not come unseen, an identity must be heard, and what
        is to be acknowledged must have a far side that can do it."""
        yield from exposed(self, self.options.bind, plan)
        options: ZmqOptions = self.options
        if not options.bind and not options.connect:
            what = f"[{self.name}] has neither bind nor connect: no peer can come"
            yield self.problem(plan, what, "add bind = tcp://HOST:PORT")
        if options.delivery != SENT:
            for what, hint in unacknowledgeable(self.name, options):
                yield self.problem(plan, what, hint)
        for what, hint, warning in spool_problems(self.name, plan):
            yield self.problem(plan, what, hint, warning=warning)
        for name, owners in misplaced(options):
            what = f'"{name}" of [{self.name}] has no meaning with socket = {options.socket}'
            yield self.problem(plan, what, f"it is for {owners}")
        if options.identity and not (options.connect and options.socket in CALLING):
            what = f'"identity" of [{self.name}] has no meaning'
            yield self.problem(plan, what, "it is for dealer and req with connect")

    def listens_on(self) -> Sequence[str]:
        """Those of `bind`."""
        bind: Sequence[str] = self.options.bind
        return bind

    async def start(self, ctx: Context) -> None:
        """Listen and connect."""
        self.ctx = ctx
        options: ZmqOptions = self.options
        if options.delivery != SENT:
            self.socket = ACKNOWLEDGED[options.socket](options, ctx)
            return
        self.socket = socket = SOCKETS[options.socket](self.name, options, ctx)
        for address in options.bind:
            ctx.bind(address, socket.listener_options(), socket.listener_role())
        for address in options.connect:
            ctx.link(address, socket.link_options(), role=socket.link_role())

    @property
    def joins_groups(self) -> bool:
        """Sockets that give each message to one peer do; a message that is published has no one
        destination."""
        return issubclass(SOCKETS[self.options.socket], WorkingSocket)

    def member(self) -> Member:
        """The workers of the socket, or its one far side."""
        assert not isinstance(self.socket, PublishingSocket)
        return self.socket.member

    def decide(self, type: str) -> Forward:
        """Every type leaves by the socket."""
        return Forward(self.socket.sink)

    def status(self) -> dict[str, Any]:
        """Facts of the socket."""
        return self.socket.status()

    async def stop(self) -> None:
        """Let peers take what waits for them."""
        await self.socket.stop()


def misplaced(options: ZmqOptions) -> Iterator[tuple[str, str]]:
    """The options that are given and say nothing to this socket, and the sockets they are for."""
    publishing = {
        "on-full = latest": options.on_full == LATEST,
        "last-value": options.last_value,
        "welcome": options.welcome,
        "verbose": options.verbose != "no",
    }
    requesting = {"answer-timeout": options.answer_timeout, "resend": options.resend}
    for sockets, given in ((PUBLISHING, publishing), (("req",), requesting)):
        if options.socket not in sockets:
            yield from ((name, " and ".join(sockets)) for name, value in given.items() if value)


def exposed(handler: Handler, addresses: Iterable[str], plan: Plan) -> Iterator[Problem]:
    """Warn of addresses of a handler that nothing protects."""
    mine = plan.handler(handler.name)
    for address in addresses:
        if mine is not None and protection(address, handler.options.listener) == "exposed":
            what = f"[{handler.name}]: everybody who reaches {address} can use it"
            yield Problem(plan.file, mine.line, what, EXPOSED, warning=True)
