"""Where the messages of one type go, as a value: route lines, handlers, links, near misses.

It starts the real handlers on a context that opens nothing, and asks them. It must never open a
socket or guess what a handler would decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ccproxy.commands.dry import DryContext
from ccproxy.commands.members import ListedMember, members_of
from ccproxy.commands.nearmiss import NearMiss, fault_of, near_misses
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.core.outbox import Outbox
from ccproxy.core.plugin_code import PluginCode
from ccproxy.core.routes import Routes
from ccproxy.core.sinks import Sink
from ccproxy.handler import Discard, Forward, Handler, Verdict


@dataclass(frozen=True, slots=True)
class Destination:
    """A sink that messages are appended to.

    For an outbox: bytes and messages (0 = no limit) that may wait, and the policy when it is full.
    """

    address: str
    queue: int = 0
    queue_messages: int = 0
    on_full: str = ""


@dataclass(frozen=True, slots=True)
class AskedMember:
    """A member of a group; `used` if it gets messages of the type while all members are up. A group
    has members of its own, other members have destinations."""

    section: str
    used: bool
    destinations: tuple[Destination, ...] = ()
    members: tuple[AskedMember, ...] = ()

    @property
    def reached(self) -> tuple[Destination, ...]:
        """Where its messages go while all are up."""
        below = [to for one in self.members if one.used for to in one.reached]
        return (*self.destinations, *below)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one handler decided. `verdict` is forward, deliver, discard or fails, for `reason`.

    `static` means that it is asked once for the type; otherwise it sees each message. `about` says
    what becomes of the messages in the words of the handler. `destinations` of a group are those of
    its `members` that are used: each message goes to one of these.
    """

    section: str
    handler: str
    line: int
    verdict: str
    reason: str = ""
    static: bool = True
    destinations: tuple[Destination, ...] = ()
    receivers: tuple[str, ...] = ()
    about: str = ""
    members: tuple[AskedMember, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A route that matches, and the decisions of its handlers in their order."""

    prefix: str
    line: int
    asked: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one type; `fault` says why it is not a valid one."""

    type: str
    fault: str
    matches: tuple[Match, ...]
    near_misses: tuple[NearMiss, ...]

    @property
    def asked(self) -> list[Decision]:
        """The decisions of all handlers in order; a handler may occur several times."""
        return [one for match in self.matches for one in match.asked]

    @property
    def static(self) -> bool:
        """True if no handler sees the messages: their bytes are passed on as they are."""
        return all(one.static for one in self.asked)

    @property
    def fate(self) -> str:
        """The fate of its messages, as far as it can be known in advance."""
        if self.fault:
            return "malformed"
        if not self.matches:
            return "unrouted"
        verdicts = {one.verdict for one in self.asked}
        return next(fate for verdict, fate in FATES.items() if verdict in verdicts)


FATES = {
    "forward": "forwarded", "deliver": "delivered", "discard": "discarded", "fails": "failed",
}  # fmt: skip
"""Verdict -> fate. The first verdict in this order that a handler gave decides."""


async def explain(plan: Plan, types: Iterable[str]) -> list[Explanation]:
    """The explanation of each type; starts and stops the handlers in order to ask them."""
    handlers = AskedHandlers(plan)
    await handlers.start()
    try:
        return [_explain(plan, handlers, type) for type in types]
    finally:
        await handlers.stop()


async def links_of(plan: Plan) -> list[tuple[str, str]]:
    """Section and address of each link that the handlers of a plan would have."""
    handlers = AskedHandlers(plan)
    await handlers.start()
    try:
        return list(handlers.links())
    finally:
        await handlers.stop()


def _explain(plan: Plan, handlers: AskedHandlers, type: str) -> Explanation:
    fault = fault_of(type)
    if fault:
        return Explanation(type, fault, (), ())
    lines = {route.prefix: route.line for route in plan.routes}
    routes = Routes((route.prefix, route.sections) for route in plan.routes)
    matches = tuple(
        Match(prefix, lines[prefix], tuple(handlers.ask(section, type) for section in sections))
        for prefix, sections in routes.match(type)
    )
    return Explanation(type, "", matches, tuple(near_misses(type, plan.routes)))


class AskedHandlers:
    """The handlers of a plan on contexts that open nothing; only those that decide are started."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._plans = {one.section: one for one in plan.handlers}
        self._handlers: dict[str, Handler] = {
            one.section: one.factory(one.section, one.options) for one in plan.handlers
        }
        self._contexts: dict[str, DryContext] = {}
        self._failed: dict[str, str] = {}
        self._silent: dict[str, str] = {}
        """Why handlers did not say which members they have."""

    async def start(self) -> None:
        """Start the handlers that have to be; `ask` reports a failure."""
        for section, handler in self._handlers.items():
            if not starts(handler):
                continue
            context = self._contexts[section] = DryContext(section, self._handlers)
            with recording(self._failed, section, "its start failed"):
                await handler.start(context)

    async def stop(self) -> None:
        """Stop the handlers that were started."""
        for section in self._contexts:
            await self._handlers[section].stop()

    def links(self) -> Iterator[tuple[str, str]]:
        """Section and address of each link that has been asked for."""
        for section, context in self._contexts.items():
            yield from ((section, link.address) for link in context.links)

    def ask(self, section: str, type: str) -> Decision:
        """What a handler decides about a type."""
        plan, handler = self._plans[section], self._handlers[section]
        failed = dict(self._failed)
        if section not in failed:
            with recording(failed, section, "its decide failed"):
                decision = self._decision(plan, handler.decide(type))
                about = self._about(handler, type, decision.verdict)
                silent = self._silent.get(section)
                return replace(decision, about=f"{about} ({silent})" if silent else about)
        return Decision(plan.section, plan.word, plan.line, "fails", failed[section])

    def _about(self, handler: Handler, type: str, verdict: str) -> str:
        """The words of the handler. A class's docstring does not fit what the class discards."""
        if verdict == "discard" and handler.__class__.explain is Handler.explain:
            return ""
        failed: dict[str, str] = {}
        with recording(failed, handler.name, "its explain failed"):
            return one_line(handler.explain(type, self._plan))
        return failed[handler.name]

    def _decision(self, plan: HandlerPlan, verdict: Verdict) -> Decision:
        decision = partial(Decision, plan.section, plan.word, plan.line)
        if isinstance(verdict, Forward):
            members = tuple(self._members(plan.section, verdict.sinks))
            reached = tuple(to for one in members if one.used for to in one.reached)
            places = tuple(map(self._destination, verdict.sinks))
            return decision("forward", destinations=reached or places, members=members)
        if isinstance(verdict, Discard):
            return decision("discard", verdict.reason)
        names = tuple(one.name for one in verdict.handlers) or (plan.section,)
        return decision("deliver", static=False, receivers=names)

    def _members(
        self, section: str, chosen: Sequence[Sink], above: tuple[str, ...] = ()
    ) -> Iterator[AskedMember]:
        """The members of a group, none of another section; a group may have chosen the sink of one
        of them for this type already."""
        if not self._plans[section].refers or section not in self._contexts:
            return
        found = [
            one
            for one in self._listed(section)
            if one.section in self._contexts and one.section not in above
        ]
        sinks = {one.section: self._handlers[one.section].member().sink for one in found}
        picked = [name for name, sink in sinks.items() if any(sink is one for one in chosen)]
        for one in found:
            links = self._contexts[one.section].links
            yield AskedMember(
                one.section,
                one.section in picked if picked else one.used,
                tuple(self._destination(link.outbox) for link in links),
                tuple(self._members(one.section, (), (*above, section))),
            )

    def _listed(self, section: str) -> list[ListedMember]:
        """What a handler says of its members in a status."""
        with recording(self._silent, section, "its status failed"):
            return members_of(self._handlers[section].status())
        return []

    def _destination(self, sink: Sink) -> Destination:
        links = [link for context in self._contexts.values() for link in context.links]
        addresses = [link.address for link in links if link.outbox is sink]
        address = addresses[0] if addresses else sink.name
        if not isinstance(sink, Outbox):
            return Destination(address)
        limits = sink.limits
        return Destination(address, limits.bytes, limits.messages, limits.policy)


def starts(handler: Handler) -> bool:
    """True if the handler defines `decide`, so that it must be started before it is asked.

    Not so one that starts without a route, unless it says that its start opens nothing by itself:
    it may open files and listeners of its own, which a running server has open.
    """
    opens = handler.standalone and not handler.starts_dry
    return type(handler).decide is not Handler.decide and not opens


def one_line(text: object) -> str:
    """What a handler says, on one line; TypeError if it is no text."""
    if not isinstance(text, str):
        raise TypeError(f"explain gave {text!r:.80}, expected a text")
    return " ".join(text.split())


@contextmanager
def recording(failures: dict[str, str], section: str, what: str) -> Iterator[None]:
    """Store a handler's exception as text: a plugin's mistake is part of the explanation."""
    try:
        with PluginCode():
            yield
    except Exception as error:
        failures[section] = f"{what}: {type(error).__name__}: {error}"
