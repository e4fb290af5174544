"""Refused messages: found in order, bounded, and cut out of their runs."""

import pytest

from ccproxy.core.delivery import refusals
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.receipts import STOP
from ccproxy.core.delivery.refusals import Refusals, RunParts, counted_reason
from ccproxy.core.delivery.store import SAFE, MessageNumber
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import TAKEN
from tests.core.delivery.test_store import EPOCH, LINK, balanced, chunk

OTHER = EPOCH + 1


def test_ranges_come_in_the_order_of_their_numbers_and_are_forgotten_behind_them():
    ranges = Refusals()
    ranges.add(EPOCH, 8, 1, "full")
    ranges.add(EPOCH, 2, 3, "failed")
    ranges.add(EPOCH, 2, 3, "failed")
    ranges.add(OTHER, 1, 1 << 63, "full")
    ranges.add(EPOCH, 5, 0, "full")
    assert len(ranges) == 3
    assert ranges.among(EPOCH, 1, 3) == (2, 3, "failed")
    assert ranges.among(EPOCH, 4, 9) == (4, 4, "failed")
    assert ranges.among(EPOCH, 5, 7) == (8, 7, "")
    assert ranges.among(EPOCH, 5, 9) == (8, 8, "full")
    assert ranges.among(EPOCH, 9, 9) == (10, 9, "")
    assert ranges.among(OTHER, 7, 9) == (7, 9, "full")
    assert ranges.among(OTHER + 1, 7, 9) == (10, 9, "")
    assert len(ranges) == 1


def test_there_are_not_too_many_and_those_of_older_epochs_go_first(monkeypatch):
    monkeypatch.setattr(refusals, "MOST_REFUSALS", 3)
    ranges = Refusals()
    for number in (1, 3, 5, 7):
        ranges.add(EPOCH, number, 1, "full")
    assert len(ranges) == 3
    assert ranges.among(EPOCH, 6, 9) == (10, 9, "")
    for number in (1, 3, 5):
        ranges.add(EPOCH, number, 1, "full")
    ranges.add(OTHER, 1, 1, "failed")
    assert len(ranges) == 1
    assert ranges.among(OTHER, 1, 1) == (1, 1, "failed")


def test_parts_of_a_run():
    parts = RunParts(chunk(11, 12, 13, 14, 15), 1)
    assert parts.cut(2, 2) == chunk(12)
    assert parts.cut(3, 3) == chunk(13)
    assert parts.cut(5, 5) == chunk(15)


def test_many_refusals_in_one_run_cost_one_walk_through_it(monkeypatch):
    walked = []
    skip = refusals.skip
    monkeypatch.setattr(
        refusals, "skip", lambda data, at, count: walked.append(count) or skip(data, at, count)
    )
    store, dead, count = MemoryStore(Outbox("h:far", Limits()), LINK, EPOCH), [], 900
    store.on_dead = lambda *one: dead.append(one)
    store.offer(chunk(*range(count)), count)
    store.fetch(1 << 20)
    for number in range(2, count + 1, 2):
        store.refuse(EPOCH, number, 1, "failed")
    store.release(MessageNumber(EPOCH, count))
    assert dead == [(chunk(name), 1, "failed") for name in range(1, count, 2)]
    assert sum(walked) == count
    assert balanced(store)


@pytest.mark.parametrize("outcome", [SAFE, TAKEN, STOP])
def test_a_far_side_cannot_say_the_outcomes_of_receipts_as_reasons(outcome):
    assert counted_reason(outcome) == "other"
