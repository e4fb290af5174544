"""The handler `redirect`: calls of any protocol to a service of any protocol, which may move.

A call comes from a listener that takes calls, or as a CC message. What decides stands in `table`,
`port` and `calls`; here messages become calls and answers become replies. It must never leave a
call without an answer.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from ccproxy import Context, Handler, Message, NativeAnswer, Plan, Problem, Reply
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.sodep import Passed, respond
from ccproxy.protocols.jolie.values import Answer as CallAnswer
from ccproxy.protocols.jolie.values import Call, Fault, Value, io_fault
from ccproxy.wire import cc

from . import checks, moves, state
from .lines import Lines
from .options import Options
from .port import Port
from .table import Table
from .target import Target
from .ways import ANY, way_of

KNOWN = 65_536
"""Types whose way is remembered."""
GRACE = 1.5
"""Seconds that calls under way have at the end to be answered; the server waits for 2."""
LOOK = 0.01
"""Seconds between two looks."""


class Way(NamedTuple):
    """Where the calls of one type go."""

    lines: Lines
    path: str
    operation: str


class Redirect(Handler):
    """Forwards calls to a service, translated where the protocols differ; answers all of them."""

    Options = Options
    exclusive = True

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.lines: Lines | None = None
        self._table = Table(dict(options.redirects.pairs), dict(options.operations.pairs))
        self._others: dict[str, Redirect] = {}
        self._ways: dict[tuple[str, ...], Way] = {}
        self._saving = asyncio.Lock()

    def check(self, plan: Plan) -> Iterable[Problem]:
        """The sections it names must be what it takes them for."""
        return checks.problems(self.name, self.options, plan, Redirect)

    async def start(self, ctx: Context) -> None:
        """Nothing is connected before the first call."""
        self.ctx = ctx
        for section in (*self.options.redirects, *self.options.operations):
            other = ctx.handler(section)
            if not isinstance(other, Redirect):
                raise TypeError(f"[{section}] is no redirect")
            self._others[section] = other
        target = self.options.target()
        if target is not None:
            couriers: list[Any] = [ctx.handler(one) for one in self.options.couriers]
            port = Port(self._kept(target), itertools.count(1), couriers, ctx.now)
            self.lines = Lines(ctx, port, self.options.wire(), self.respond)

    def handle(self, message: Message) -> None:
        """Pass one call on; its answer comes later."""
        content = message.payload[0] if message.payload else None
        call = content if isinstance(content, Call) else None
        key = (message.type, call.path, call.operation) if call else (message.type,)
        way = self._ways.get(key)
        if way is None:
            if moves.is_move(message.type):
                self._move(message)
                return
            found = self._find(message.type, call)
            if isinstance(found, Fault):
                self.respond(message, found)
                return
            way = found
            self._keep(key, way)
        try:
            value = call.value if call else _value(message)
        except ValueError as reason:
            self.respond(message, io_fault(f"The call cannot be read: {reason}"))
            return
        lines, path, operation = way
        lines.ask(message, Call(path, operation, value))
        trunks = lines.port.trunks
        if trunks is not None and message.origin is not None and key in self._ways:
            message.origin.pass_on(message, lines.port.target.location.forward(path), trunks)

    def respond(self, message: Message | Passed, answer: CallAnswer) -> None:
        """Answer a message, in the protocol it came in."""
        if isinstance(message, Passed):
            respond(message, answer)
            return
        if message.origin is not None:
            message.origin.answer(message, NativeAnswer(answer))
            return
        type = cccall.reply_type(message.type)
        for one in (answer, io_fault("cc cannot carry the answer")):
            try:
                self.ctx.act(Reply(type, cccall.fields_of(one)), message)
                return
            except ValueError as reason:
                self.ctx.log.warning("no reply type=%s: %s", type, reason)

    def status(self) -> dict[str, Any]:
        """Where calls go and how many are under way."""
        if self.lines is None:
            return {}
        port = self.lines.port
        return {
            "location": str(port.target.location),
            "protocol": port.target.protocol,
            "calls": len(port),
            "connections": len(self.lines),
            "draining": port.draining,
            "strays": port.strays,
        }

    def drain(self) -> Awaitable[None] | None:
        """Calls under way are answered by the service that has them."""
        lines = self.lines
        return None if lines is None or not len(lines.port) else self._drained(lines)

    async def _drained(self, lines: Lines) -> None:
        """Every call has its answer, or its timeout."""
        while len(lines.port):
            await asyncio.sleep(LOOK)

    async def stop(self) -> None:
        """Calls under way may still be answered for a moment; the others get a fault."""
        if self.lines is None:
            return
        self.lines.stop()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained(self.lines), GRACE)
        finally:
            self.lines.cut("The redirector stops")

    def _find(self, type: str, call: Call | None) -> Way | Fault:
        """Where calls of this type go; names are those of the call, which a type may lack."""
        routes = self.ctx.routes
        real = paths.names(call.path) if call else ()
        head = type.count(".") - len(real) if call and ANY in routes else 0
        names, operation = way_of(type, routes, head)
        if call:
            names, operation = real[len(real) - len(names) :], call.operation
        return self._way(paths.path_of(names), operation)

    def _keep(self, key: tuple[str, ...], way: Way) -> None:
        """Remember a way, unless it hangs on who sent the call."""
        if ANY not in self.ctx.routes and paths.memorable(*key):
            if len(self._ways) >= KNOWN:
                self._ways.clear()
            self._ways[key] = way

    def _way(self, path: str, operation: str) -> Way | Fault:
        """By the table if it knows the names, else to the location of this section."""
        found = self._table.find(path, operation)
        if not isinstance(found, Fault):
            lines = self._others[found.port].lines
            assert lines is not None
            return Way(lines, found.path, operation)
        return found if self.lines is None else Way(self.lines, path, operation)

    def _kept(self, target: Target) -> Target:
        """The target, or the one a relocation was saved for."""
        if not self.options.state:
            return target
        try:
            kept = state.read(self.options.state, (target.location, target.protocol))
        except (OSError, ValueError) as reason:
            self.ctx.log.warning("no saved relocation: %s", reason)
            return target
        if kept is None:
            return target
        self.ctx.log.info("relocated as saved location=%s protocol=%s", *kept)
        return self.options.target_at(*kept)  # type: ignore[no-any-return]

    def _move(self, message: Message) -> None:
        """Answer a relocation, once it is saved if that is asked for."""
        try:
            move = self._allowed(message)
        except ValueError as reason:
            self.respond(message, io_fault(str(reason)))
            return
        assert self.lines is not None
        before = self.lines.port.target
        if move.location is not None:
            protocol = move.protocol or before.protocol
            self.lines.relocate(self.options.target_at(move.location, protocol))
            self.ctx.log.info("relocated from=%s to=%s", before.location, move.location)
        if move.save:
            self.ctx.task(self._save(message, before))
            return
        self.respond(message, moves.answer(self.lines.port, before.location))

    def _allowed(self, message: Message) -> moves.Move:
        """What a relocation asks for; ValueError says why it cannot be done."""
        if message.listener not in self.options.relocate_from:
            self.ctx.log.warning("relocation refused listener=%s", message.listener)
            raise ValueError(f"[{message.listener}] may not relocate [{self.name}]")
        if self.lines is None:
            raise ValueError(f"[{self.name}] has no location")
        move = moves.read(message.value())
        if move.save and not self.options.state:
            raise ValueError(f'[{self.name}] has no file "state" to save it in')
        return move

    async def _save(self, message: Message, before: Target) -> None:
        """Keep where calls go by now."""
        assert self.lines is not None and self.options.location is not None
        configured = self.options.location, self.options.protocol
        async with self._saving:
            now = self.lines.port.target
            place = now.location, now.protocol
            try:
                await self.ctx.run_blocking(state.write, self.options.state, place, configured)
            except OSError as reason:
                self.respond(message, io_fault(f"Relocated, but not saved: {reason}"))
                return
        self.respond(message, moves.answer(self.lines.port, before.location, saved=True))


def _value(message: Message) -> Value:
    """The value of a CC message; ValueError if it holds none."""
    return cccall.value_of(message.value(), cc.blob(message.payload))
