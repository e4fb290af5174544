"""An XSUB and an XPUB in one section: what publishers send goes to the subscribers that want it.

Without a type the messages pass from one to the other. With a type they are typed messages, which
go where the routes lead them, and what routes lead to the section is published. Publishers are told
of every subscription, in both cases. It must never look into a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ccproxy import Context, Forward, Handler, Plan, Problem
from ccproxy.core.flows import Flow, Target
from ccproxy.core.routes import Routes
from ccproxy.core.typed import Given, TypedIngress
from ccproxy.net.zmtp.role import IngressMaker, ListenerRole, no_answers
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.protocols.zmq.subscriber import Publishers, Subscriptor

from .options import SendingOptions, ZmqOptions
from .publishing import PublishingSocket


class Bus:
    """The two sockets of one section."""

    def __init__(
        self, name: str, options: SendingOptions, ctx: Context, type: str = "", topics: bool = False
    ) -> None:
        """With `topics` the topic stands behind the type. `options` hold for each subscriber."""
        self.socket = PublishingSocket(name, ZmqOptions.of("xpub", options), ctx)
        self.flow = Flow(Target((self.socket.sink,)))
        """Leads from the publishers to the subscribers, without routes."""
        self.type = type
        self.role = self._routed(ctx, type, topics) if type else self._direct()
        """The role of the listeners for publishers; `dialled` for links to them."""
        self._ctx = ctx
        self._options = options

    def listen(self, in_: Iterable[str], out: Iterable[str]) -> None:
        """Listen for subscribers first: what comes in has somewhere to go. OSError if an address
        cannot be had."""
        for address in out:
            self._ctx.bind(address, self.socket.listener_options(), self.socket.listener_role())
        for address in in_:
            self._ctx.bind(address, self._options.listener, self.role)

    def connect(self, in_: Iterable[str], out: Iterable[str]) -> None:
        """Connect to publishers and subscribers."""
        for address in out:
            self._ctx.link(address, self.socket.link_options(), role=self.socket.link_role())
        for address in in_:
            self._ctx.link(address, self._options.receiving_link, role=self.role.dialled())

    def use(self, ingress: IngressMaker) -> None:
        """Take the messages of publishers by another ingress; before `listen`."""
        self.role = replace(self.role, ingress=ingress)

    def decide(self) -> Forward:
        """What routes lead to the section is published."""
        return Forward(self.socket.sink)

    def status(self) -> dict[str, Any]:
        """Facts for the status page; messages with a type are counted with their types."""
        counts = {} if self.type else {"messages": self.flow.count, "bytes": self.flow.bytes}
        return {**counts, **self.socket.status()}

    def _direct(self) -> ListenerRole:
        publishers = Publishers()
        publishers.demand.follow((self.flow.target,))
        given = Given(b"xpub", FRAMES, lambda type: self.flow)
        return ListenerRole(
            b"XSUB", partial(TypedIngress, given=given), joined=publishers.joined,
            left=publishers.left, replies=no_answers, own_identities=True,
        )  # fmt: skip

    def _routed(self, ctx: Context, type: str, topics: bool) -> ListenerRole:
        options = ZmqListenerOptions(socket="xsub", type=type, topics=topics)
        return Subscriptor(options, ctx, (self.flow.target,)).listener_role()


def routed(handler: Handler, plan: Plan) -> Iterator[Problem]:
    """Topics stand behind a type, and messages with a type need a route."""
    options = handler.options
    if options.topics and not options.type:
        what = f'"topics" of [{handler.name}] has no meaning without type'
        yield handler.problem(plan, what, "add type = NAME and a route for it")
    if options.type and not leads(plan, options.type):
        what = f"[{handler.name}]: no route leads {options.type} anywhere"
        hint = f"add {options.type} = {handler.name} to [routes], or leave out type"
        yield handler.problem(plan, what, hint, warning=True)


def leads(plan: Plan, type: str, to: str = "") -> bool:
    """True if a route matches some messages of this type; with `to` only a route to that section
    counts."""
    wanted = (one for one in plan.routes if not to or to in one.sections)
    routes = Routes((one.prefix, one.sections) for one in wanted)
    return bool(routes.sections(type) or routes.below(type))
