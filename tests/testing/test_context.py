import asyncio
import sys

import pytest

from ccproxy import Accepted, Handler, LinkOptions, Reply
from ccproxy.testing import TIME, FakeContext, message


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


def test_the_clock_moves_only_by_hand_and_calls_come_in_order(ctx):
    seen = []
    ctx.every(1.0, lambda: seen.append(("every", ctx.now())))
    ctx.call_later(2.5, lambda: seen.append(("later", ctx.now())))
    ctx.call_later(0.5, lambda: ctx.call_later(0.1, lambda: seen.append(("nested", ctx.now()))))
    ctx.advance(3.0)
    assert seen == [("nested", 0.6), ("every", 1.0), ("every", 2.0), ("later", 2.5), ("every", 3.0)]
    assert (ctx.now(), ctx.time()) == (3.0, TIME + 3.0)


def test_log_and_counters_are_recorded(ctx):
    ctx.log.debug("a %s", "b")
    ctx.count("x")
    ctx.count("x", 4)
    ctx.flows_changed()
    assert (ctx.lines, ctx.counters, ctx.flow_changes) == (["DEBUG a b"], {"x": 5}, 1)


def test_the_test_says_where_routes_lead(ctx):
    ctx.destinations = {"a": "there", "a.b": "elsewhere", "ab": "nowhere"}
    assert ctx.targets("a", below=False) == ["there"]
    assert ctx.targets("a", below=True) == ["there", "elsewhere"]
    ctx.watch(list)
    assert ctx.watches == [list]
    ctx.unwatch(list)
    ctx.unwatch(list)
    assert not ctx.watches


def test_tasks_run_when_the_clock_moves(ctx):
    seen = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(await ctx.run_blocking(max, 1, 2))

    ctx.task(work())
    ctx.advance(0.0)
    assert seen == [2]


def test_a_task_that_fails_is_seen(ctx):
    async def work() -> None:
        raise ValueError("oops")

    ctx.task(work())
    with pytest.raises(ValueError, match="oops"):
        ctx.settle()


def test_tasks_and_processes_that_are_left_are_ended():
    ctx = FakeContext()
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    ctx.task(work())
    process = ctx.run(ctx.spawn([sys.executable, "-c", "input()"]))
    ctx.settle()
    ctx.close()
    assert ended == [True]
    assert process.returncode is not None


def test_listeners_are_recorded(ctx):
    assert ctx.run(ctx.listen("tcp://127.0.0.1:9", asyncio.Protocol)) == "tcp://127.0.0.1:9"
    assert ctx.listeners == {"tcp://127.0.0.1:9": asyncio.Protocol}


def test_a_link_without_an_on_message_says_so(ctx):
    link = ctx.link("tcp://far:1", LinkOptions())
    with pytest.raises(AssertionError, match="does not listen"):
        link.receive(message("pong", route=()))


def test_a_reply_needs_a_message(ctx):
    with pytest.raises(ValueError, match="needs the message"):
        ctx.act(Reply("a"))


class Later(Handler):
    def handle(self, message):
        return Accepted(message)


def test_a_message_that_is_accepted_is_kept_until_its_outcome_is_said(ctx):
    for type in ("a", "b"):
        ctx.deliver(Later("h:later", None), message(type))
    one, two = ctx.accepted
    assert ctx.replies == []
    assert one.done(Reply("re.a")) and two.refused("no")
    assert [reply.type for reply in ctx.replies] == ["re.a"]
    [(refused, error)] = ctx.refusals
    assert (refused.type, str(error), ctx.accepted) == ("b", "no", [])
