"""Which way the messages of one type go, as a value: route lines, handlers, links, near misses.

The real handlers are asked, started on a context that opens nothing. It must never open a socket
or guess what a handler would say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ccproxy.commands.dry import DryContext
from ccproxy.commands.nearmiss import NearMiss, fault_of, near_misses
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.core.outbox import Outbox
from ccproxy.core.routes import Routes
from ccproxy.handler import Discard, Forward, Handler, Verdict


@dataclass(frozen=True, slots=True)
class Destination:
    """A link messages are appended to: bytes and messages (0 = no limit) that may wait, policy."""

    address: str
    queue: int
    queue_messages: int
    on_full: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one handler said. `verdict`: forward, deliver, discard or fails, for `reason`.

    `static` means that it was asked once for the type; otherwise it sees each message.
    """

    section: str
    handler: str
    line: int
    verdict: str
    reason: str = ""
    static: bool = True
    destinations: tuple[Destination, ...] = ()
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A route that fires, and its handlers in their order."""

    prefix: str
    line: int
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one type; `fault` says why it is none."""

    type: str
    fault: str
    matches: tuple[Match, ...]
    near_misses: tuple[NearMiss, ...]

    @property
    def asked(self) -> list[Asked]:
        """Every handler that is asked, in order, a repeated one repeated."""
        return [one for match in self.matches for one in match.asked]

    @property
    def static(self) -> bool:
        """True if no handler sees the messages: their bytes are passed on as they are."""
        return all(one.static for one in self.asked)

    @property
    def fate(self) -> str:
        """The fate of its messages as far as it is known before they come."""
        if self.fault:
            return "malformed"
        if not self.matches:
            return "unrouted"
        verdicts = {one.verdict for one in self.asked}
        return next(fate for verdict, fate in FATES.items() if verdict in verdicts)


FATES = {
    "forward": "forwarded", "deliver": "delivered", "discard": "discarded", "fails": "failed",
}  # fmt: skip
"""Verdict -> fate; the first one found counts."""


async def explain(plan: Plan, types: Iterable[str]) -> list[Explanation]:
    """The explanation of each type. The handlers are started and stopped for it."""
    cast = Cast(plan)
    await cast.start()
    try:
        return [_explain(plan, cast, type) for type in types]
    finally:
        await cast.stop()


def _explain(plan: Plan, cast: Cast, type: str) -> Explanation:
    fault = fault_of(type)
    if fault:
        return Explanation(type, fault, (), ())
    lines = {route.prefix: route.line for route in plan.routes}
    routes = Routes((route.prefix, route.sections) for route in plan.routes)
    matches = tuple(
        Match(prefix, lines[prefix], tuple(cast.ask(section, type) for section in sections))
        for prefix, sections in routes.match(type)
    )
    return Explanation(type, "", matches, tuple(near_misses(type, plan.routes)))


class Cast:
    """The handlers of a plan on contexts that open nothing; only those that decide are started."""

    def __init__(self, plan: Plan) -> None:
        self._plans = {one.section: one for one in plan.handlers}
        self._handlers: dict[str, Handler] = {
            one.section: one.factory(one.section, one.options) for one in plan.handlers
        }
        self._contexts: dict[str, DryContext] = {}
        self._failed: dict[str, str] = {}

    async def start(self) -> None:
        """Start the handlers that decide; a failure is kept for `ask`."""
        for section, handler in self._handlers.items():
            if not decides(handler):
                continue
            context = self._contexts[section] = DryContext(section, self._handlers)
            with keeping(self._failed, section, "its start failed"):
                await handler.start(context)

    async def stop(self) -> None:
        """Stop what was started."""
        for section in self._contexts:
            await self._handlers[section].stop()

    def ask(self, section: str, type: str) -> Asked:
        """What a handler says about a type."""
        plan = self._plans[section]
        failed = dict(self._failed)
        if section not in failed:
            with keeping(failed, section, "its decide failed"):
                return self._told(plan, self._handlers[section].decide(type))
        return Asked(plan.section, plan.word, plan.line, "fails", failed[section])

    def _told(self, plan: HandlerPlan, verdict: Verdict) -> Asked:
        said = partial(Asked, plan.section, plan.word, plan.line)
        if isinstance(verdict, Forward):
            places = tuple(self._destination(box) for box in verdict.boxes)
            return said("forward", destinations=places)
        if isinstance(verdict, Discard):
            return said("discard", verdict.reason)
        names = tuple(one.name for one in verdict.handlers) or (plan.section,)
        return said("deliver", static=False, receivers=names)

    def _destination(self, box: Outbox) -> Destination:
        addresses = [
            link.address
            for context in self._contexts.values()
            for link in context.links
            if link.outbox is box
        ]
        limits = box.limits
        address = addresses[0] if addresses else box.name
        return Destination(address, limits.bytes, limits.messages, limits.policy)


def decides(handler: Handler) -> bool:
    """True if it has a `decide` of its own, so that it has to be started to be asked."""
    return type(handler).decide is not Handler.decide


@contextmanager
def keeping(failures: dict[str, str], section: str, what: str) -> Iterator[None]:
    """Keep the exception of a handler as a text: a plugin's mistake is part of the explanation."""
    try:
        yield
    except Exception as error:
        failures[section] = f"{what}: {type(error).__name__}: {error}"
