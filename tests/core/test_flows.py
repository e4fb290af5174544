"""The flow table: bounded, oldest out, types that go to the same places share a target."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core.flows import TYPE_SIZE, Flow, FlowTable, Target
from ccproxy.core.message import Message
from ccproxy.core.outbox import Limits, Outbox


class Taker:
    name = "h"

    def handle(self, message: Message) -> None:
        raise NotImplementedError


BOX, BLOCKING = Outbox("box", Limits()), Outbox("blocking", Limits(policy="block"))


def always(target: Target) -> Callable[[bytes], Target]:
    return lambda _: target


def test_the_oldest_flow_goes_first_and_its_counts_stay() -> None:
    table = FlowTable(2, lambda _: Target())
    for number, name in enumerate([b"a", b"b", b"c", b"d"]):
        flow = table.miss(name)
        assert flow is not None
        flow.count, flow.bytes = number, 10 * number
    assert list(table.flows) == [b"c", b"d"]
    assert (table.other.count, table.other.bytes) == (1, 10)
    table.clear()
    assert not table.flows
    assert (table.other.count, table.other.bytes) == (6, 60)


def test_what_is_no_type_has_no_flow() -> None:
    table = FlowTable(2, lambda _: None)
    assert table.miss(b"a b") is None
    assert not table.flows


def test_types_that_go_to_the_same_places_share_a_target() -> None:
    taker = Taker()
    table = FlowTable(9, lambda _: Target((BOX,), (taker,)))
    one, two = table.miss(b"a"), table.miss(b"b")
    assert one is not None and two is not None
    assert one is not two
    assert one.target is two.target
    table.clear()
    again = table.miss(b"a")
    assert again is not None
    assert again.target is not one.target


@pytest.mark.parametrize(
    "other",
    [
        Target((BLOCKING,)),
        Target((BOX, BOX)),
        Target((BOX,), (Taker(),)),
        Target((BOX,), fate="failed"),
        Target(),
    ],
)
def test_types_that_differ_in_anything_do_not(other: Target) -> None:
    targets = {b"a": Target((BOX,)), b"b": other}
    table = FlowTable(9, targets.__getitem__)
    one, two = table.miss(b"a"), table.miss(b"b")
    assert one is not None and two is not None
    assert one.target is not two.target


def test_types_that_go_nowhere_keep_their_own_reason() -> None:
    table = FlowTable(9, lambda name: Target(fate="unrouted", reason=name.decode()))
    flows = [table.miss(name) for name in (b"a", b"b")]
    assert [flow.target.reason for flow in flows if flow] == ["a", "b"]


def test_a_target_knows_which_of_its_outboxes_block() -> None:
    assert Target((BOX, BLOCKING)).blocking == (BLOCKING,)


def test_senders_wait_for_what_a_handler_has_accepted() -> None:
    accepting, plain = Taker(), Taker()
    accepting.accepted = BLOCKING  # type: ignore[attr-defined]
    plain.accepted = BOX  # type: ignore[attr-defined]
    assert Target((BOX,), (accepting, plain, Taker())).blocking == (BLOCKING,)


@settings(max_examples=60)
@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d", None])), st.integers(1, 4))
def test_the_table_is_bounded_and_counts_all(names: list[bytes | None], limit: int) -> None:
    table = FlowTable(limit, always(Target((BOX,))))
    for name in names:
        if name is None:
            table.clear()
            continue
        flow = table.flows.get(name) or table.miss(name)
        assert flow is table.flows[name]
        flow.count += 1
        assert len(table.flows) <= limit
    counted = [table.other, *table.flows.values()]
    assert sum(flow.count for flow in counted) == len(names) - names.count(None)


def test_many_times_the_limit_leaves_no_more_than_the_limit() -> None:
    table = FlowTable(65_536, always(Target(fate="unrouted")))
    dice = random.Random(1)
    for _ in range(300_000):
        table.miss(dice.randbytes(8))
    assert len(table.flows) == 65_536
    assert all(isinstance(flow, Flow) for flow in table.flows.values())


def test_a_full_table_takes_a_type_as_quickly_as_an_empty_one() -> None:
    # Finding the oldest key of a dict takes one step for each key that was removed before it. With
    # a dict alone, the second 60,000 types and all later ones took 30 times as long as the first.
    table = FlowTable(65_536, always(Target(fate="unrouted")))

    def fill(first: int) -> float:
        begun = process_time()
        for number in range(first, first + 60_000):
            table.miss(number.to_bytes(4, "big"))
        return process_time() - begun

    empty, _, *full = (fill(first) for first in range(0, 300_000, 60_000))
    assert min(full) < 10 * empty


def test_types_are_bounded_in_bytes_too():
    table = FlowTable(100, lambda type: Target())
    for number in range(1000):
        table.miss(b"%04d" % number + b"x" * 1000)
        assert table.bytes == sum(map(len, table.flows)) <= TYPE_SIZE * 100
    assert 10 < len(table.flows) < 14
    table.clear()
    assert table.bytes == 0
