"""A member of a running group."""

from ccproxy import Limits, Outbox
from ccproxy.core.runs import Run
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.groups.seat import Seat, SplitReceipt, described
from tests.handlers.groups.members import LinkHandler, PoolHandler


def test_links_and_pools_get_what_they_need_of_a_run():
    link, pool = LinkHandler("a", queue_messages=2), PoolHandler(Outbox("h:p", Limits()))
    run = Run(None, 3, pack([b"x"]) * 3, None, pack([b"me", b"", b"data", b""])[:-2])
    assert Seat("h:a", link.own).take(run) == (("forwarded", 2), ("full", 1))
    assert Seat("h:p", pool.own).take(run) == (("forwarded", 3),)
    assert link.link.outbox.waiting == 2 and pool.pool.backlog.bytes == 9


def test_a_state_with_its_reason_and_without():
    link = LinkHandler("a")
    assert described(Seat("h:a", link.own)) == "up"
    link.link.state, link.link.reason = "refused", "nobody there"
    assert described(Seat("h:a", link.own)) == "refused: nobody there"


def test_a_split_receipt_is_told_in_the_order_of_the_messages_once_all_are_known():
    a, b = (type("Seat", (), {})() for _ in "ab")
    told = []
    split = SplitReceipt(
        [(a, 2), (b, 1), (a, 1)], lambda count, outcome: told.append((count, outcome))
    )
    split.note(b, 1, "full")
    split.note(a, 1, "safe")
    assert not told
    split.note(a, 2, "refused")
    assert told == [(1, "safe"), (1, "refused"), (1, "full"), (1, "refused")]


def test_a_split_receipt_says_at_once_that_a_member_holds_messages():
    a, told = object(), []
    split = SplitReceipt([(a, 2)], lambda count, outcome: told.append((count, outcome)))
    split.note(a, 0, "held")
    assert told == [(0, "held")]
    split.note(a, 2, "safe")
    assert told[1:] == [(1, "safe"), (1, "safe")]
