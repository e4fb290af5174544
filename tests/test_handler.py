"""The contract of a handler: harmless defaults, and a Context outside of a running server."""

import asyncio
import inspect
import time
from types import SimpleNamespace

import pytest

from ccproxy import Context, Deliver, Handler, LinkOptions, Problem, Reply
from ccproxy.server.context import HandlerContext
from ccproxy.testing import FakeContext

METHODS = [
    name for name in vars(Context) if not name.startswith("_") and name not in ("name", "log")
]


async def test_the_defaults_of_a_handler_do_the_harmless_thing():
    handler = Handler("h:x", Handler.Options())
    ctx = Context()
    await handler.start(ctx)
    assert handler.ctx is ctx
    assert (handler.name, handler.options) == ("h:x", Handler.Options())
    assert list(handler.check(None)) == []
    assert handler.decide("a.b") == Deliver()
    assert handler.handle(None) is None
    assert handler.drain() is None
    assert handler.status() == {}
    handler.reloaded()
    await handler.stop()
    assert (handler.runs, handler.exclusive, handler.standalone) == ("loop", False, False)


@pytest.mark.parametrize(("mine", "line"), [(SimpleNamespace(line=7), 7), (None, 0)])
def test_a_problem_stands_at_the_line_of_its_section(mine, line):
    plan = SimpleNamespace(file="x.ini", handler={"h:x": mine}.get)
    found = Handler("h:x", Handler.Options()).problem(plan, "it is odd", "make it even", True)
    assert found == Problem("x.ini", line, "it is odd", "make it even", warning=True)


async def test_a_handler_that_failed_to_start_can_be_stopped():
    await Handler("h:x", Handler.Options()).stop()


async def test_what_a_handler_cannot_do_without_is_an_error_outside_a_server():
    ctx = Context()
    with pytest.raises(RuntimeError, match="no links outside a running server"):
        ctx.link("tcp://far:1", LinkOptions())
    with pytest.raises(RuntimeError, match="no connections outside"):
        ctx.dial("tcp://far:1", None, LinkOptions())
    with pytest.raises(RuntimeError, match="no protocols outside"):
        ctx.protocol("sodep")
    with pytest.raises(RuntimeError, match="no other handlers outside"):
        ctx.handler("h:y")
    with pytest.raises(RuntimeError, match="no threads outside"):
        await ctx.run_blocking(time.sleep, 0)
    with pytest.raises(RuntimeError, match="no processes outside"):
        await ctx.spawn(["true"])


async def test_everything_else_does_nothing_outside_a_server():
    ctx, called = Context(), []
    assert await ctx.listen("tcp://127.0.0.1:9", asyncio.Protocol) == "tcp://127.0.0.1:9"
    assert ctx.routes == ()
    assert (ctx.now(), ctx.time()) == (0.0, 0.0)
    ctx.every(0.0, lambda: called.append("every"))
    ctx.call_later(0.0, lambda: called.append("later"))
    ctx.on_departure(called.append)
    ctx.act(Reply("a"))
    ctx.count("a")
    ctx.unanswered("a")
    ctx.flows_changed()

    async def work():
        called.append("work")

    ctx.task(work())
    for _ in range(3):
        await asyncio.sleep(0)
    assert called == []


def test_every_method_of_a_context_says_what_it_does():
    assert [name for name in METHODS if not inspect.getdoc(vars(Context)[name])] == []


@pytest.mark.parametrize("kind", [HandlerContext, FakeContext])
def test_a_context_that_works_has_every_method_with_the_same_parameters(kind):
    for name in METHODS:
        mine, theirs = inspect.getattr_static(kind, name), vars(Context)[name]
        assert mine is not theirs, name
        if inspect.isfunction(theirs):
            ours = [one.name for one in inspect.signature(theirs).parameters.values()]
            assert [one.name for one in inspect.signature(mine).parameters.values()] == ours, name
