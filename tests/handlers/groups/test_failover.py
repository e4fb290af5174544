"""All messages to the first member that is up: without a network."""

import pytest

from ccproxy import Forward, Limits, Onward, Outbox
from ccproxy.core.flows import Target
from ccproxy.core.runs import Run
from ccproxy.testing import FakeContext, message, options_for, run_handler
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.groups.failover import Failover
from tests.handlers.groups.members import LinkHandler, PoolHandler

OPTIONS = "to = h:lux, h:dub\nback-after = 10 s"


@pytest.fixture
def members():
    return {f"h:{name}": LinkHandler(name) for name in ("lux", "dub")}


@pytest.fixture
def group(members):
    with run_handler(Failover, OPTIONS, members) as running:
        yield running


def give(group, *bodies):
    for body in bodies:
        group.give(message("data", {}, body))


def test_the_first_gets_all_and_the_second_while_it_is_away(group, members):
    lux, dub = members.values()
    give(group, b"1")
    assert lux.bodies == [b"1"]
    lux.link.become("connecting")
    group.ctx.advance(0)
    give(group, b"2")
    assert (lux.bodies, dub.bodies) == ([], [b"2"])
    lux.link.become("up")
    group.ctx.advance(9.9)
    give(group, b"3")
    group.ctx.advance(0.2)
    give(group, b"4")
    assert (lux.bodies, dub.bodies) == ([b"4"], [b"3"])
    assert group.ctx.lines == [
        "WARNING messages go to member=h:dub, no more to h:lux, which is connecting",
        "WARNING messages go to member=h:lux, no more to h:dub, which is up",
    ]


def test_what_was_not_begun_moves_in_order_and_what_was_begun_stays(group, members):
    lux, dub = members.values()
    give(group, b"1", b"2", b"3")
    lux.link.outbox.advance(5)
    lux.link.outbox.rewind()
    lux.link.become("refused")
    give(group, b"4")
    group.ctx.advance(0)
    assert (lux.bodies, dub.bodies) == ([b"1"], [b"2", b"3", b"4"])
    assert group.handler.status()["moved"] == 3
    for one in (lux, dub):
        box = one.link.outbox
        assert box.queued == box.sent + box.waiting


def test_all_away_messages_wait_for_the_first_that_comes(group, members):
    lux, dub = members.values()
    for one in members.values():
        one.link.become("refused")
    group.ctx.advance(0)
    give(group, b"1", b"2")
    assert lux.link.outbox.waiting == 2
    dub.link.become("up")
    group.ctx.advance(0)
    give(group, b"3")
    assert dub.bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "state", ["connecting", "refused", "wrong-key", "in-doubt", "paused", "gone"]
)
def test_every_state_but_up_is_away(group, members, state):
    members["h:lux"].link.become(state)
    members["h:lux"].link.reason = "why"
    group.ctx.advance(0)
    status = group.handler.status()
    assert status["to"] == ["h:dub"]
    assert status["members"][0] == {
        "section": "h:lux", "state": state, "reason": "why", "there": False, "waiting": 0,
        "bytes": 0,
    }  # fmt: skip


def test_senders_that_wait_for_a_full_member_go_on_when_it_leaves():
    members = {f"h:{name}": LinkHandler(name, queue=1024, on_full="block") for name in "ab"}
    with run_handler(Failover, "to = h:a, h:b", members) as group:
        sink = group.handler.sink
        assert sink.may_block and not sink.blocked
        give(group, bytes(2000), b"2")
        went = []
        assert sink.blocked
        sink.wait(lambda: went.append(sink.blocked))
        members["h:a"].link.become("connecting")
        group.ctx.advance(0)
        assert went and not members["h:a"].link.outbox.waiting
        members["h:b"].bodies.clear()
        assert not sink.blocked


def test_senders_do_not_wait_for_a_member_that_keeps_all_while_another_is_there(monkeypatch):
    """What waits in a spool stays there: it is full until its far side is back."""
    members = {f"h:{name}": LinkHandler(name, queue=1024, on_full="block") for name in "ab"}
    monkeypatch.setattr(members["h:a"].own, "give_back", lambda most: [])
    with run_handler(Failover, "to = h:a, h:b", members) as group:
        sink, went = group.handler.sink, []
        give(group, bytes(2000), b"2")
        for number in range(3):
            sink.wait(lambda number=number: went.append((number, sink.blocked)))
        assert len(members["h:a"].link.outbox._waiters) == 1
        members["h:a"].link.become("connecting")
        group.ctx.advance(0)
        assert went == [(0, False), (1, False), (2, False)]
        members["h:a"].link.take()
        assert len(went) == 3


def test_senders_that_wait_for_a_group_go_on_when_a_reload_has_made_another():
    members = {f"h:{name}": LinkHandler(name, queue=1024, on_full="block") for name in "ab"}
    with run_handler(Failover, "to = h:a, h:b", members) as group:
        went = []
        give(group, bytes(2000))
        group.handler.sink.wait(lambda: went.append(1))
        group.handler.drain()
        assert went == [1]


def test_the_sink_is_a_distributor_only_if_a_member_is_one(group, members):
    assert not Target((group.handler.sink,)).distributors
    pool = PoolHandler(Outbox("h:pool", Limits()))
    with run_handler(Failover, "to = h:pool, h:dub", {**members, "h:pool": pool}) as mixed:
        target = Target((mixed.handler.sink,))
        assert target.single is mixed.handler.sink
        run = Run(None, 1, pack([b"x"]), None, pack([b"me", b"", b"data", b""])[:-2])
        assert target.take(run) == (("forwarded", 1),)
        assert pool.pool.backlog.waiting == 1
        mixed.ctx.advance(1)
        assert target.take(run) == (("forwarded", 1),)
        assert members["h:dub"].link.outbox.waiting == 1


def test_messages_move_between_members_of_one_form_only(members):
    pool = PoolHandler(Outbox("h:pool", Limits()))
    with run_handler(Failover, "to = h:pool, h:dub", {**members, "h:pool": pool}) as group:
        sink = group.handler.sink
        sink.take(Run(None, 1, pack([b"x"]), None, pack([b"me", b"", b"data", b""])[:-2]))
        group.ctx.advance(1)
        assert group.handler.status()["to"] == ["h:dub"] and pool.pool.backlog.waiting == 1


def test_it_forwards_every_type_and_says_where(group):
    assert group.handler.decide("a.b") == Forward(group.handler.sink)
    assert group.handler.explain("a", None) == (
        "goes to the first of h:lux, h:dub that is up; what was never written moves along, "
        "and back after 10 s"
    )


def test_it_says_who_gets_messages_and_why_others_do_not(group, members):
    lux, dub = members.values()
    assert group.handler.follow("a") == Onward("gives them to h:lux", ("h:lux", "h:dub"))
    lux.link.become("refused")
    lux.link.reason = "nobody there"
    group.ctx.advance(0)
    text = "gives them to h:dub; not to h:lux, which is refused: nobody there"
    assert group.handler.follow("a") == Onward(text, ("h:lux", "h:dub"))
    dub.link.become("paused")
    group.ctx.advance(0)
    text = "has no member that is up: h:lux is refused: nobody there; h:dub is paused"
    assert group.handler.follow("a") == Onward(text, ("h:lux", "h:dub"), True)


def test_a_group_is_a_member_of_a_group(members):
    inner = Failover("h:inner", options_for(Failover, OPTIONS))
    ctx = FakeContext("h:inner", members)
    ctx.run(inner.start(ctx))
    last = LinkHandler("last")
    handlers = {"h:inner": inner, "h:last": last}
    with run_handler(Failover, "to = h:inner, h:last", handlers) as outer:
        give(outer, b"1")
        assert members["h:lux"].bodies == [b"1"]
        give(outer, b"2")
        for one in members.values():
            one.link.become("refused")
            one.link.reason = "no"
        ctx.advance(0)
        outer.ctx.advance(0)
        assert last.bodies == [b"2"]
        facts = outer.handler.status()["members"][0]
        assert facts["reason"] == "h:lux is refused: no; h:dub is refused: no"
        members["h:dub"].link.become("up")
        ctx.advance(0)
        outer.ctx.advance(20)
        assert outer.handler.status()["to"] == ["h:inner"]
        assert outer.handler.member().has_room(10, 1)
        assert outer.handler.follow("a").sections == ("h:inner", "h:lux", "h:dub", "h:last")
    ctx.close()
