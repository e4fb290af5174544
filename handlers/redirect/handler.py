"""The handler `redirect`: calls of any protocol to a service of any protocol, which may move.

A call comes from a listener that takes calls, or as a CC message. The decisions are made in
`table`, `output_port` and `calls`; here messages become calls and answers become replies. It must
never leave a call without an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any, NamedTuple

from ccproxy import Context, Handler, Message, NativeAnswer, Onward, Plan, Problem, Reply
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.sodep import InFlight, respond
from ccproxy.protocols.jolie.sodep.shortcut import shorten
from ccproxy.protocols.jolie.style import BASE64
from ccproxy.protocols.jolie.values import Answer, Call, Fault, Result, Value, io_fault

from . import checks, explain, relocation
from .commands import RelocationCommands
from .connections import Connections
from .faults import STOPS
from .options import Options
from .ports import PortMaker
from .preparing import CallPreparation
from .resources import Resources
from .table import ANY, remainder_of

MAX_ROUTES = 8192
"""Types, paths and operations for which the route of their calls is remembered; to forget them all
takes less than a millisecond."""
DRAIN_TIMEOUT = 1.5
"""Seconds that calls in flight have at the end to be answered; the server waits for 2."""
POLL_INTERVAL = 0.01
"""Seconds between two looks at the calls that are left."""
LONGEST_PAUSE = 0.25
"""More than that the time between two such looks does not take from `DRAIN_TIMEOUT`: no answer can
be read while the whole process stands still."""


class CallRoute(NamedTuple):
    """Where the calls of one type go."""

    connections: Connections
    path: str
    operation: str


class Redirect(Handler):
    """Forwards calls to a service, translated where the protocols differ; answers all of them."""

    Options = Options
    exclusive = True
    commands = f"{relocation.RELOCATE}."

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.connections: Connections | None = None
        """The port of its location; None if it only divides calls among others."""
        self._resources: Resources | None = None
        self._others: dict[str, Redirect] = {}
        self._routes: dict[tuple[str, ...], CallRoute] = {}

    def check(self, plan: Plan) -> Iterable[Problem]:
        """The sections that its options name must have the right handler."""
        return checks.problems(self.name, self.options, plan, Redirect)

    def explain(self, type: str, plan: Plan) -> str:
        """The service that would be called."""
        return explain.destination(self.name, self.options, type, plan)

    async def start(self, ctx: Context) -> None:
        """Nothing is connected before the first call."""
        self.ctx = ctx
        self._preparation = CallPreparation(ctx, self.respond)
        for section in (*self.options.redirects, *self.options.operations):
            other = ctx.handler(section)
            if not isinstance(other, Redirect):
                raise TypeError(f"[{section}] is no redirect")
            self._others[section] = other
        maker = PortMaker(ctx, self.options, self.respond)
        self._resources = Resources(maker, self._preparation, self._section)
        self._commands = RelocationCommands(maker, self._resources, self.respond)
        self._commands.start()
        self._resources.changed = self._forget_routes
        self.connections = self._commands.own

    def handle(self, message: Message) -> None:
        """Forward one call; its answer comes later."""
        content = message.payload[0] if message.payload else None
        call = content if isinstance(content, Call) else None
        key = (message.type, call.path, call.operation) if call else (message.type,)
        route = self._routes.get(key)
        if route is None:
            if relocation.is_relocation(message.type):
                self._operate(message)
                return
            found = self._find(message.type, call)
            if isinstance(found, Fault):
                self.respond(message, found)
                return
            route = found
            self._keep(key, route)
        try:
            value = call.value if call else _value(message)
        except ValueError as reason:
            self.respond(message, io_fault(f"The call cannot be read: {reason}"))
            return
        connections, path, operation = route
        self._preparation.ask(message, connections, Call(path, operation, value))
        upstreams = connections.port.upstreams
        if upstreams is not None and key in self._routes:
            shorten(message, connections.port.target.location.forward(path), upstreams)

    def respond(self, message: Message | InFlight, answer: Answer) -> None:
        """Answer a call, in the protocol in which it came."""
        if isinstance(message, InFlight):
            respond(message, answer)
            return
        if message.origin is not None:
            message.origin.answer(message, NativeAnswer(answer))
            return
        type = cccall.reply_type(message.type)
        for one in (answer, io_fault("cc cannot carry the answer")):
            try:
                self.ctx.act(
                    Reply(type, cccall.fields_of(one, self.options.raw == BASE64)), message
                )
                return
            except ValueError as reason:
                self.ctx.log.warning("no reply type=%s: %s", type, reason)

    def status(self) -> dict[str, Any]:
        """Where calls go and how many are in flight, and what is other than in the INI."""
        return self._commands.status()

    def follow(self, type: str) -> Onward:
        """The section that calls of this type reach now, or the fault they are answered with."""
        if relocation.is_relocation(type) or ANY in self.ctx.routes:
            return Onward()
        assert self._resources is not None
        names, operation = remainder_of(type, self.ctx.routes)
        path = paths.path_of(names)
        found = self._resources.leads_to(path, operation)
        if isinstance(found, Fault) and self.connections is None:
            return Onward(f"answers with a fault: {found.value.tree().payload!s}", wrong=True)
        route = self._route(path, operation)
        assert not isinstance(route, Fault)
        target = route.connections.port.target
        text = explain.called(target.location, target.protocol.word, route.path, operation)
        section = "" if isinstance(found, Fault) else found[0]
        return Onward(text, (section,) if section else ())

    def drain(self) -> Awaitable[None] | None:
        """Calls in flight are answered by the service that has them."""
        return self._drained() if self._busy() else None

    def _busy(self) -> bool:
        return any(len(one.port) for one in self._ports()) or len(self._preparation) > 0

    def _ports(self) -> Iterator[Connections]:
        """Every port that was made for this section."""
        if self.connections is not None:
            yield self.connections
        if self._resources is not None:
            yield from self._resources.ports

    async def _drained(self) -> None:
        """Every call has its answer, or its timeout."""
        while self._busy():
            await asyncio.sleep(POLL_INTERVAL)

    async def _nearly_drained(self) -> None:
        """The same, for at most `DRAIN_TIMEOUT`."""
        time, left = asyncio.get_running_loop().time, DRAIN_TIMEOUT
        while self._busy() and left > 0:
            before = time()
            await asyncio.sleep(POLL_INTERVAL)
            left -= min(time() - before, LONGEST_PAUSE)

    async def stop(self) -> None:
        """Calls in flight may still be answered for a moment; the others get a fault."""
        ports = list(self._ports())
        if not ports:
            return
        for one in ports:
            one.stop()
        try:
            await self._nearly_drained()
        finally:
            for one in ports:
                one.cut(STOPS)

    def _find(self, type: str, call: Call | None) -> CallRoute | Fault:
        """Where calls of this type go; names are those of the call, which a type may lack."""
        routes = self.ctx.routes
        real = paths.names(call.path) if call else ()
        head = type.count(".") - len(real) if call and ANY in routes else 0
        names, operation = remainder_of(type, routes, head)
        if call:
            names, operation = real[len(real) - len(names) :], call.operation
        return self._route(paths.path_of(names), operation)

    def _keep(self, key: tuple[str, ...], route: CallRoute) -> None:
        """Remember a route, unless with `*` it depends on the listener that the call came in by."""
        if ANY not in self.ctx.routes and paths.memorable(*key):
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[key] = route

    def _route(self, path: str, operation: str) -> CallRoute | Fault:
        """By the table if it knows the names, else to the location of this section."""
        assert self._resources is not None
        found = self._resources.find(path, operation)
        if not isinstance(found, Fault):
            return CallRoute(found.connections, found.path, operation)
        return found if self.connections is None else CallRoute(self.connections, path, operation)

    def _section(self, name: str) -> Connections:
        """The port of another redirect."""
        connections = self._others[name].connections
        assert connections is not None
        return connections

    def _forget_routes(self, before: Connections | None) -> None:
        """Calls that went to this port may go elsewhere: ask the table again for all of them."""
        self._routes.clear()
        if (found := self.connections if before is None else before) is not None:
            found.do(found.port.renew(found.now()))

    def _operate(self, message: Message) -> None:
        """Carry out a relocation, or list all redirects that the sender may relocate."""
        if message.type != relocation.RELOCATE:
            if not relocation.names(message.type, self.name, self.ctx.routes):
                # The route `relocate` leads here whatever the name is, and it may be misspelt.
                what = f"no redirect is named by {message.type:.200}; it came to [{self.name}]"
                self.respond(message, io_fault(what))
                return
            self._commands.handle(message)
            return
        found = {}
        for section in self.ctx.sections:
            other = self.ctx.handler(section)
            if isinstance(other, Redirect) and other._commands.may(message.listener):
                found[section] = other.status()
        answer: Answer = Result(Json({"redirects": found}))
        if not found:
            self.ctx.log.warning("relocation refused listener=%s", message.listener)
            answer = io_fault(f"[{message.listener}] may not relocate any redirect")
        self.respond(message, answer)


def _value(message: Message) -> Value:
    """The value of a CC message; ValueError if it holds none."""
    return cccall.value_of(message.value(), message.blob)
