"""Counts by type: the first types for good, all others as one sum."""

from __future__ import annotations

from ccproxy.core.flows import FlowTable, Target
from ccproxy.core.type_totals import LONGEST_TYPE, TypeCount, TypeTotals


def count(table: FlowTable, type: bytes, messages: int) -> None:
    flow = table.flows.get(type) or table.miss(type)
    assert flow is not None
    flow.count += messages
    flow.bytes += 10 * messages


def test_the_first_types_keep_their_counts_when_the_table_forgets_them() -> None:
    table = FlowTable(2, lambda _: Target(fate="unrouted"), named=2)
    for type in (b"a", b"b", b"c", b"d", b"a", b"e", b"f"):
        count(table, type, 3)
    table.clear()
    totals = table.totals
    assert {name: one.messages for name, one in totals.types.items()} == {
        b"a": {"dropped": 6}, b"b": {"dropped": 3},
    }  # fmt: skip
    assert (totals.other.messages, totals.other.bytes) == ({"dropped": 12}, {"dropped": 120})


def test_peers_that_invent_types_take_no_more_memory() -> None:
    totals = TypeTotals(10)
    for number in range(1000):
        totals.admit(b"t.%d" % number)
    assert len(totals.types) == 10
    assert totals.place(b"t.10") is totals.other


def test_a_type_too_long_for_a_log_line_is_counted_with_the_others() -> None:
    totals = TypeTotals(10)
    totals.admit(b"x" * LONGEST_TYPE)
    totals.admit(b"x" * (LONGEST_TYPE + 1))
    assert list(totals.types) == [b"x" * LONGEST_TYPE]


def test_a_lost_message_is_no_longer_ok() -> None:
    totals = TypeTotals(1)
    totals.admit(b"a")
    totals.place(b"a").add("ok", 5, 50)
    for fate in ("failed", "refused", "consumed", "replied"):
        totals.lost(b"a", fate, 10)
    assert totals.types[b"a"].messages == {"ok": 3, "crashed": 1, "dropped": 1}
    assert totals.types[b"a"].bytes == {"ok": 30, "crashed": 10, "dropped": 10}


def test_a_copy_is_counted_by_itself() -> None:
    one = TypeCount()
    one.add("ok", 1, 10)
    two = TypeCount(one)
    two.add("ok", 1, 10)
    assert (one.messages, two.messages) == ({"ok": 1}, {"ok": 2})
