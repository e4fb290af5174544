"""A switch and the handlers of a plan without sockets: messages go in, and what they do is a value.

Handlers are started on contexts that open nothing, with a clock that is moved by hand. Links look
connected and take everything at once. It must never write a file or open a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from ccproxy.commands.offline_context import OfflineContext
from ccproxy.commands.offline_messages import PEER, Answer, OfflinePeer
from ccproxy.config.plan import HandlerPlan, ListenerPlan, Plan
from ccproxy.core.hot import Buffer
from ccproxy.core.message import Actions, Message
from ccproxy.core.plugin_code import PluginCode
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, Run
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Accepted, Deliver, LateOutcome, Queued, Refuse, Verdict
from ccproxy.handler import Handler
from ccproxy.plugins import Plugins
from ccproxy.process.effects import no_effects
from ccproxy.server.coroutines import awaited
from ccproxy.server.runners import actions_of, no_later
from ccproxy.testing.clock import ManualClock
from ccproxy.testing.links import CODEC, take
from ccproxy.wire.cc import UntrustedMessage
from ccproxy.wire.zmtp.frames import frame, pack

WHO = "a config test"
TURNS = 20
"""Turns of the loop in which tasks of handlers may go on after a step."""
STOP_TIMEOUT = 2.0
"""Seconds for the stop of all handlers."""
LINES = 100
"""Log lines of handlers that are kept of one step."""


@dataclass(slots=True)
class Outcome:
    """What came of one step."""

    fate: str = ""
    asked: list[str] = field(default_factory=list)
    """The sections whose handlers were asked what to do with the message."""
    reached: list[str] = field(default_factory=list)
    """The sections that it came to, in order."""
    forwarded: list[tuple[str, str, str]] = field(default_factory=list)
    """Section, address and type of each message that left."""
    replies: list[Answer] = field(default_factory=list)
    raised: dict[str, str] = field(default_factory=dict)
    """By section, the exception of its handler."""
    refused: dict[str, str] = field(default_factory=dict)
    """By section, why its handler did not accept the message."""
    log: list[str] = field(default_factory=list)


class OfflineReceiver:
    """Lets a handler see messages; one that wants a thread does so when the loop has turned."""

    def __init__(self, handler: Handler, server: OfflineServer) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self._handler = handler
        self._server = server

    def handle(self, message: Message) -> Actions | Queued:
        """Take one message."""
        self._server.reach(self.name)
        if self.name in self._server.not_started:
            return None
        if self._handler.runs == "thread":
            return self._server.queue(self._handler, message)
        accept = partial(self._server.accept, self.name)
        return actions_of(self._handler, accept, self._handler.handle(message))


class OfflineServer:
    """The switch of one test. It is told what the switch tells a server: see `Notices`."""

    def __init__(self, plan: Plan, plugins: Plugins) -> None:
        self.plan = plan
        self.plugins = plugins
        self.clock = ManualClock()
        self.switch = Switch(CODEC, self)
        self.handlers: dict[str, Handler] = {}
        self.contexts: dict[str, OfflineContext] = {}
        self.not_started: dict[str, str] = {}
        """By section, why its handler cannot run here."""
        self.outcome = Outcome()
        self.peer = OfflinePeer()
        self._queued: list[tuple[Handler, Queued]] = []
        self._tasks: set[asyncio.Future[None]] = set()

    async def start(self) -> None:
        """Start the handlers; one that cannot run here is in `not_started`."""
        for one in self.plan.handlers:
            self._make(one)
        with no_effects(WHO):
            for name, handler in self.handlers.items():
                try:
                    async with asyncio.timeout(STOP_TIMEOUT):
                        await awaited(handler.start, self.contexts[name])
                except Exception as error:
                    self.not_started[name] = str(error) or type(error).__name__
        self.switch.configure(
            Routes((one.prefix, one.sections) for one in self.plan.routes),
            {name: OfflineDecider(one, self) for name, one in self.handlers.items()},
            {id(one): OfflineReceiver(one, self) for one in self.handlers.values()},
        )
        rights = {(one.kind, one.value): one.rights for one in self.plan.allow}
        commands = {one.factory.commands for one in self.plan.handlers} - {""}
        self.switch.access.configure(rights, tuple(sorted(commands)))

    async def give(self, message: Message | None, peer: str, wait: float) -> Outcome:
        """One step: a message of the peer with this `[allow:NAME]`, and so many seconds more."""
        self.outcome = Outcome()
        self.switch.table.clear()
        with no_effects(WHO):
            if message is not None:
                self.outcome.fate = self._take(message, peer)
            await self._settle()
            self.clock.advance(wait)
            await self._settle()
        self._collect()
        return self.outcome

    def listen(self, listener: ListenerPlan) -> None:
        """Messages come in by this listener from now on."""
        self.switch.peers.pop(PEER, None)
        if self.peer.answered_on(listener):
            self.switch.peers[PEER] = self.peer.outbox

    async def stop(self) -> None:
        """Stop the handlers; nothing of it counts any more."""
        self.outcome = Outcome()
        with no_effects(WHO):
            for context in self.contexts.values():
                for wire in context.wires:
                    wire.owner.closed(wire, "the test is over")
            for task in self._tasks:
                task.cancel()
            started = [one for name, one in self.handlers.items() if name not in self.not_started]
            stops = [awaited(one.stop) for one in started]
            await asyncio.wait_for(asyncio.gather(*stops, return_exceptions=True), STOP_TIMEOUT)
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What contexts, deciders and receivers tell

    def reach(self, section: str) -> None:
        """The message has come to a section."""
        if section not in self.outcome.reached:
            self.outcome.reached.append(section)

    def ask(self, section: str) -> None:
        """The handler of a section is asked for its verdict."""
        if section not in self.outcome.asked:
            self.outcome.asked.append(section)

    def queue(self, handler: Handler, message: Message) -> Queued:
        """Keep a message for a handler that has a thread in a server."""
        self._queued.append((handler, Queued(message, name=handler.name)))
        return self._queued[-1][1]

    def accept(self, section: str, accepted: Accepted) -> Accepted:
        """A handler says the outcome of a message later, perhaps in a step that follows."""
        call_soon = asyncio.get_running_loop().call_soon
        accepted.name = section
        accepted.bind(lambda outcome: bool(call_soon(self._end, accepted, outcome)))
        return accepted

    def _end(self, queued: Queued, outcome: LateOutcome) -> None:
        self.switch.finish(queued, outcome)
        if queued.ended is not None:
            self.outcome.fate = queued.ended.fate

    def add_task(self, section: str, work: Awaitable[None]) -> None:
        """Run a coroutine of a handler."""

        async def guarded() -> None:
            try:
                await awaited(lambda: work)
            except Exception as error:
                self.failed(section, "", error)

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def log_line(self, text: str) -> None:
        """A handler has logged something."""
        if len(self.outcome.log) < LINES:
            self.outcome.log.append(text)

    def unrouted(self, type: str, messages: int) -> None:
        """The fate says it."""

    def malformed(self, sender: str, raw: Buffer, messages: int) -> None:
        """The fate says it."""

    def refused(self, sender: str, name: str, raw: Buffer, messages: int) -> None:
        """The fate says it."""

    def failed(self, handler: str, type: str, error: BaseException) -> None:
        """A handler raised, or refused a message."""
        refusal = isinstance(error, Refuse | UntrustedMessage)
        found = self.outcome.refused if refusal else self.outcome.raised
        found.setdefault(handler, f"{error.__class__.__name__}: {error}".rstrip(": "))

    # One step

    def _make(self, plan: HandlerPlan) -> None:
        handler = plan.factory(plan.section, plan.options)
        context = OfflineContext(plan.section, self)
        handler.ctx = context
        self.handlers[plan.section], self.contexts[plan.section] = handler, context

    def _take(self, message: Message, peer: str) -> str:
        """Give a message to the switch; its fate."""
        name, rights = message.type, {one.rights.name: one.rights for one in self.plan.allow}
        commands = tuple(sorted({one.factory.commands for one in self.plan.handlers} - {""}))
        if peer and not rights[peer].may_send(name, commands):
            self.outcome.refused[f"allow:{peer}"] = "it may not send this type"
            return "refused"
        target = self.switch.miss(name.encode("utf-8", "replace")).target
        if target.distributors and message.origin is None:
            fate = target.take(self._run(message))[0][0]
            if target.handlers:
                fate = self.switch.handed(target, message, fate, message.size)
        else:
            fate = self.switch.take(message)
        return fate

    def _run(self, message: Message) -> Run:
        """A message as sinks with peers of their own want it."""
        route = [*message.route, b"", message.type.encode()]
        head = b"".join(frame(one, more=True) for one in route)
        source = MessageSource(PEER, "test", message.listener, box=self.peer.outbox)
        return Run(source, 1, pack(message.payload), None, head)

    def _note_reach(self) -> None:
        """A section was reached if it was asked, unless another one alone makes the call."""
        outcome, found = self.outcome, self.outcome.reached
        asked = [n for n in outcome.asked if n in found or not self.handlers[n].exclusive]
        outcome.reached = [*asked, *(one for one in found if one not in asked)]

    async def _settle(self) -> None:
        """Let tasks, and handlers with threads, go on."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        queued, self._queued = self._queued, []
        for handler, one in queued:
            outcome: LateOutcome
            try:
                with PluginCode():
                    outcome = actions_of(handler, no_later, handler.handle(one.message))
            except Exception as error:
                outcome = error
            self._end(one, outcome)

    def _collect(self) -> None:
        """What has left by links, and the answers."""
        for name, context in self.contexts.items():
            for link in context.links:
                for one in take(link.outbox):
                    self.outcome.forwarded.append((name, link.address, one.type))
            for wire in context.wires:
                if wire.written:
                    self.outcome.forwarded.append((name, wire.address, ""))
                    wire.written.clear()
        self.outcome.replies = self.peer.take()
        self._note_reach()


class OfflineDecider:
    """A handler as the switch asks it; what it decides is recorded."""

    def __init__(self, handler: Handler, server: OfflineServer) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self._handler = handler
        self._server = server
        self._decide: Callable[[str], Verdict] = handler.decide
        handler.decide = self.decide  # type: ignore[method-assign]  # others ask it as well

    def handle(self, message: Message) -> Actions:
        """Not called: messages go to the handler itself."""
        raise NotImplementedError

    def decide(self, type: str) -> Verdict:
        """What the handler decides."""
        self._server.ask(self.name)
        if self.name in self._server.not_started:
            return Deliver((self._handler,))
        verdict = self._decide(type)
        return Deliver((self._handler,)) if verdict == Deliver() else verdict
