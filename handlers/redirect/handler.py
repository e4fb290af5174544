"""The handler `redirect`: calls of any protocol to a service of any protocol, which may move.

A call comes from a listener that takes calls, or as a CC message. The decisions are made in
`table`, `output_port` and `calls`; here messages become calls and answers become replies. It must
never leave a call without an answer.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from ccproxy import Context, Handler, Message, NativeAnswer, Plan, Problem, Reply
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.sodep import InFlight, respond
from ccproxy.protocols.jolie.sodep.shortcut import shorten
from ccproxy.protocols.jolie.style import BASE64
from ccproxy.protocols.jolie.values import Answer, Call, Fault, Value, io_fault

from . import checks, explain, relocation, state
from .connections import Connections
from .faults import STOPS
from .location import Location
from .options import Options
from .output_port import OutputPort
from .preparing import CallPreparation
from .table import ANY, RouteTable, remainder_of
from .target import ServiceTarget

MAX_ROUTES = 65_536
"""Message types for which the route of their calls is remembered."""
DRAIN_TIMEOUT = 1.5
"""Seconds that calls in flight have at the end to be answered; the server waits for 2."""
POLL_INTERVAL = 0.01
"""Seconds between two looks at the calls that are left."""


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
        self._table = RouteTable(dict(options.redirects.pairs), dict(options.operations.pairs))
        self._others: dict[str, Redirect] = {}
        self._routes: dict[tuple[str, ...], CallRoute] = {}
        self._protocols: dict[str, MessageProtocol] = {}
        self._saving = asyncio.Lock()

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
        if self.options.location is not None:
            couriers: list[Any] = [ctx.handler(one) for one in self.options.couriers]
            port = OutputPort(self._saved(), itertools.count(1), couriers, ctx.now)
            self.connections = Connections(ctx, port, self.options.wire(), self.respond)

    def handle(self, message: Message) -> None:
        """Forward one call; its answer comes later."""
        content = message.payload[0] if message.payload else None
        call = content if isinstance(content, Call) else None
        key = (message.type, call.path, call.operation) if call else (message.type,)
        route = self._routes.get(key)
        if route is None:
            if relocation.is_relocation(message.type):
                self._relocate(message)
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
        """Where calls go and how many are in flight."""
        if self.connections is None:
            return {}
        port = self.connections.port
        return {
            "location": str(port.target.location),
            "protocol": port.target.protocol.word,
            "calls": len(port),
            "connections": len(self.connections),
            "draining": port.draining,
            "unmatched": port.unmatched,
        }

    def drain(self) -> Awaitable[None] | None:
        """Calls in flight are answered by the service that has them."""
        connections = self.connections
        if connections is None or not (len(connections.port) or len(self._preparation)):
            return None
        return self._drained(connections)

    async def _drained(self, connections: Connections) -> None:
        """Every call has its answer, or its timeout."""
        while len(connections.port) or len(self._preparation):
            await asyncio.sleep(POLL_INTERVAL)

    async def stop(self) -> None:
        """Calls in flight may still be answered for a moment; the others get a fault."""
        if self.connections is None:
            return
        self.connections.stop()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained(self.connections), DRAIN_TIMEOUT)
        finally:
            self.connections.cut(STOPS)

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
        found = self._table.find(path, operation)
        if not isinstance(found, Fault):
            connections = self._others[found.port].connections
            assert connections is not None
            return CallRoute(connections, found.path, operation)
        return found if self.connections is None else CallRoute(self.connections, path, operation)

    def _target(self, location: Location, protocol: str) -> ServiceTarget:
        """The service at a place; ValueError if it cannot be called in this protocol."""
        known = self._protocols
        if protocol not in known:
            known[protocol] = self.ctx.protocol(protocol)
        target = ServiceTarget(
            location, known[protocol], self.options.limits(), self.options.style()
        )
        target.form()
        return target

    def _saved(self) -> ServiceTarget:
        """The target of the INI, or the one of a saved relocation."""
        place = self.options.location, self.options.protocol
        target = self._target(*place)
        if not self.options.state:
            return target
        try:
            saved = state.read(self.options.state, place)
            if saved is None:
                return target
            target = self._target(*saved)
        except (OSError, ValueError) as reason:
            self.ctx.log.warning("no saved relocation: %s", reason)
            return target
        self.ctx.log.info("relocated as saved location=%s protocol=%s", *saved)
        return target

    def _relocate(self, message: Message) -> None:
        """Relocate the port and answer; first save the place, if that is asked for."""
        try:
            connections, wanted = self._allowed(message)
            before = connections.port.target
            protocol = wanted.protocol or before.protocol.word
            target = self._target(wanted.location or before.location, protocol)
        except ValueError as reason:
            self.respond(message, io_fault(str(reason)))
            return
        if wanted.location is not None:
            connections.relocate(target)
            self.ctx.log.info("relocated from=%s to=%s", before.location, wanted.location)
        if wanted.save:
            self.ctx.task(self._save(message, before))
            return
        self.respond(message, relocation.answer(connections.port, before.location))

    def _allowed(self, message: Message) -> tuple[Connections, relocation.Relocation]:
        """What a relocation concerns and asks for; ValueError says why it cannot be done."""
        if message.listener not in self.options.relocate_from:
            self.ctx.log.warning("relocation refused listener=%s", message.listener)
            raise ValueError(f"[{message.listener}] may not relocate [{self.name}]")
        if self.connections is None:
            raise ValueError(f"[{self.name}] has no location")
        wanted = relocation.read(message.value())
        if wanted.save and not self.options.state:
            raise ValueError(f'[{self.name}] has no file "state" to save it in')
        return self.connections, wanted

    async def _save(self, message: Message, before: ServiceTarget) -> None:
        """Save the place where calls go by now, and answer."""
        assert self.connections is not None and self.options.location is not None
        configured = self.options.location, self.options.protocol
        async with self._saving:
            now = self.connections.port.target
            place = now.location, now.protocol.word
            try:
                await self.ctx.run_blocking(state.write, self.options.state, place, configured)
            except OSError as reason:
                self.respond(message, io_fault(f"Relocated, but not saved: {reason}"))
                return
        self.respond(message, relocation.answer(self.connections.port, before.location, saved=True))


def _value(message: Message) -> Value:
    """The value of a CC message; ValueError if it holds none."""
    return cccall.value_of(message.value(), message.blob)
