"""What groups have in common: what a reload leaves to the next group, and their timers."""

import pytest

from ccproxy.testing import FakeContext, options_for, run_handler
from ccproxy.testing.context import message
from ccproxy_handlers.groups.balance import Balance
from ccproxy_handlers.groups.failover import Failover
from tests.handlers.groups.members import LinkHandler


def started(kind, options, members):
    handler = kind("h:test", options_for(kind, options))
    ctx = FakeContext("h:test", members)
    ctx.run(handler.start(ctx))
    return handler, ctx


@pytest.mark.parametrize("kind", [Failover, Balance])
@pytest.mark.parametrize("state", ["up", "refused"])
def test_after_a_reload_the_next_group_gets_what_its_members_would_lose(kind, state):
    lux, dub, new = (LinkHandler(name) for name in ("lux", "dub", "new"))
    with run_handler(kind, "to = h:lux, h:dub", {"h:lux": lux, "h:dub": dub}) as old:
        for number in range(10):
            old.give(message("data", {}, b"%d" % number))
        new.link.state = dub.link.state = state
        after, ctx = started(kind, "to = h:new, h:dub", {"h:new": new, "h:dub": dub})
        old.ctx.handlers["h:test"] = after
        old.handler.drain()
        found = [*new.bodies, *dub.bodies]
        assert sorted(found) == [b"%d" % number for number in range(10)]
        assert not lux.link.outbox.waiting
        ctx.close()


def test_without_a_next_group_links_keep_what_they_have():
    members = {"h:lux": LinkHandler("lux"), "h:dub": LinkHandler("dub")}
    with run_handler(Failover, "to = h:lux, h:dub", members) as old:
        old.give(message("data", {}, b"1"))
        old.handler.drain()
        old.ctx.handlers["h:test"] = members["h:dub"]
        old.handler.drain()
        assert members["h:lux"].bodies == [b"1"]


def test_a_stopped_group_hears_no_more():
    members = {"h:lux": LinkHandler("lux"), "h:dub": LinkHandler("dub")}
    with run_handler(Failover, "to = h:lux, h:dub", members) as group:
        group.ctx.run(group.handler.stop())
        members["h:lux"].link.become("refused")
        group.ctx.advance(0)
        assert group.handler.status()["to"] == ["h:lux"]


def test_changes_of_many_seconds_need_one_timer():
    """A line that flaps for hours leaves nothing behind."""
    members = {"h:lux": LinkHandler("lux"), "h:dub": LinkHandler("dub")}
    with run_handler(Failover, "to = h:lux, h:dub", members) as group:
        for _ in range(1000):
            for state in ("connecting", "up"):
                members["h:lux"].link.become(state)
                group.ctx.advance(0.5)
        assert len(group.ctx.clock._due) < 30
        group.ctx.advance(20)
        assert not group.ctx.clock._due and group.handler.status()["to"] == ["h:lux"]
