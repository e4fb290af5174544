"""A context without effects."""

import asyncio
import inspect

import pytest

from ccproxy import Context, LinkOptions
from ccproxy.commands.dry import DryContext


def test_it_has_everything_a_handler_may_use():
    for name, member in inspect.getmembers(Context, inspect.isfunction):
        if name.startswith("_"):
            continue
        ours = getattr(DryContext, name)
        assert list(inspect.signature(ours).parameters) == list(
            inspect.signature(member).parameters
        ), name


def test_a_link_has_the_limits_of_its_options():
    context = DryContext("h:x", {})
    link = context.link("tcp://a:1", LinkOptions(queue=5, on_full="drop-old"))
    assert context.links == [link]
    assert (link.address, link.state) == ("tcp://a:1", "up")
    assert (link.outbox.limits.bytes, link.outbox.limits.policy) == (5, "drop-old")


def test_nothing_runs():
    def never(*args):
        raise AssertionError

    async def neither():
        raise AssertionError

    context = DryContext("h:x", {})
    context.every(1.0, never)
    context.call_later(1.0, never)
    context.task(neither())
    context.flows_changed()
    context.count("x")
    context.act(None)
    context.log.error("unheard")
    assert context.now() == context.time() == 0.0
    for work in (context.run_blocking(never), context.spawn(["/bin/true"])):
        with pytest.raises(RuntimeError, match="outside a running server"):
            asyncio.run(work)
    assert asyncio.run(context.listen("tcp://*:1", never)) == "tcp://*:1"
