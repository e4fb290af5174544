"""Asking the real handlers, and plugins that misbehave while they are asked."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ccproxy import Deliver, Discard, Forward, Handler, NoOptions
from ccproxy.commands.explanation import explain
from ccproxy.config.plan import HandlerPlan, RoutePlan
from ccproxy.core.outbox import Limits, Outbox


class Deciding(Handler):
    """A handler that counts its starts and stops; its class says what it decides."""

    log: list[str] = []

    async def start(self, ctx):
        self.ctx = ctx
        self.log.append(f"start {self.name}")

    async def stop(self):
        self.log.append(f"stop {self.name}")

    def decide(self, type):
        return Discard("because")


class Plain(Handler):
    async def start(self, ctx):
        raise AssertionError("it need not be started to know that it sees each message")


class Passing(Deciding):
    def decide(self, type):
        return Deliver((self.ctx.handler("h:plain"),))


class NoStart(Deciding):
    async def start(self, ctx):
        raise OSError("the disk is gone")


class NoDecision(Deciding):
    def decide(self, type):
        raise KeyError(type)


class Spawning(Deciding):
    async def start(self, ctx):
        ctx.task(self.work())
        ctx.every(1.0, self.stop)
        await ctx.listen("tcp://127.0.0.1:1", lambda: None)
        await ctx.spawn(["/bin/true"])

    async def work(self):
        raise AssertionError


class Standalone(Deciding):
    standalone = True


class Telling(Plain):
    """Counts the messages.

    Nothing else.
    """


class Silent(Deciding):
    """Says nothing of what it discards."""


class Untellable(Deciding):
    def explain(self, type, plan):
        raise KeyError(type)


class Mute(Deciding):
    """A group whose status fails."""

    def decide(self, type):
        return Forward(Outbox("far", Limits()))

    def status(self):
        raise KeyError("members")


class Wrong(Deciding):
    def explain(self, type, plan):
        return None


def plan(*handlers, routes=None):
    """The parts of a Plan that an explanation needs: handler classes as h:plain, h:deciding ..."""
    made = tuple(
        HandlerPlan(f"h:{one.__name__.lower()}", "word", one, NoOptions(), 10) for one in handlers
    )
    sections = tuple(one.section for one in made)
    return SimpleNamespace(handlers=made, routes=routes or (RoutePlan("a", sections, 3),))


def ask(plan, type="a.b"):
    [explanation] = asyncio.run(explain(plan, [type]))
    return explanation


@pytest.fixture(autouse=True)
def log():
    Deciding.log.clear()
    return Deciding.log


def test_only_handlers_that_decide_are_started_and_stopped(log):
    explanation = ask(plan(Plain, Deciding))
    assert log == ["start h:deciding", "stop h:deciding"]
    plain, deciding = explanation.asked
    assert (plain.verdict, plain.static, plain.receivers) == ("deliver", False, ("h:plain",))
    assert (deciding.verdict, deciding.static, deciding.reason) == ("discard", True, "because")
    assert (explanation.fate, explanation.static) == ("delivered", False)


def test_a_verdict_may_name_another_handler():
    [asked] = ask(plan(Passing, Plain), "a.b").asked[:1]
    assert asked.receivers == ("h:plain",)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (NoStart, "its start failed: OSError: the disk is gone"),
        (NoDecision, "its decide failed: KeyError: 'a.b'"),
        (
            Spawning,
            "its start failed: RuntimeError: there are no processes outside a running server",
        ),
    ],
)
def test_a_broken_plugin_is_part_of_the_explanation(broken, reason):
    explanation = ask(plan(broken, Deciding))
    assert explanation.asked[0].verdict == "fails"
    assert explanation.asked[0].reason == reason
    assert explanation.fate == "discarded"
    assert ask(plan(broken)).fate == "failed"


def test_a_group_that_does_not_say_its_members_forwards_all_the_same():
    found = plan(Mute, Plain)
    [mute] = [replace(one, refers=("h:plain",)) for one in found.handlers[:1]]
    found.handlers = (mute, *found.handlers[1:])
    asked = ask(found).asked[0]
    assert (asked.verdict, asked.members) == ("forward", ())
    assert asked.about == "A group whose status fails. (its status failed: KeyError: 'members')"


def test_routes_in_the_order_of_the_switch():
    routes = (RoutePlan("a.b", ("h:plain",), 1), RoutePlan("*", ("h:plain", "h:plain"), 2))
    explanation = ask(plan(Plain, routes=routes))
    assert [(match.prefix, len(match.asked)) for match in explanation.matches] == [
        ("*", 2), ("a.b", 1),
    ]  # fmt: skip


def test_fates_without_handlers():
    assert ask(plan(Plain), "b").fate == "unrouted"
    assert ask(plan(Plain), "b c").fate == "malformed"
    assert ask(plan(Plain), "").fault


def test_a_standalone_handler_is_asked_without_a_start(log):
    [asked] = ask(plan(Standalone)).asked
    assert (asked.verdict, log) == ("discard", [])


@pytest.mark.parametrize(
    ("handler", "about"),
    [
        (Telling, "Counts the messages."),
        (Silent, ""),
        (Untellable, "its explain failed: KeyError: 'a.b'"),
        (Wrong, "its explain failed: TypeError: explain gave None, expected a text"),
    ],
)
def test_what_a_handler_says_of_the_type(handler, about):
    assert ask(plan(handler)).asked[0].about == about
