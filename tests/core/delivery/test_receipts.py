"""The tracker: what may be acknowledged, and what is refused before that."""

from ccproxy.core.delivery.receipts import (
    HELD,
    MOST_REPEATED,
    MOST_RUNS,
    STOP,
    ReceiptTracker,
)
from ccproxy.core.delivery.store import SAFE
from ccproxy.core.sinks import TAKEN, Sink
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, UNKNOWN, Nack

EPOCH = 7


def test_what_nothing_confirms_is_acknowledged_at_once():
    tracker, news = ReceiptTracker(), []
    tracker.on_news = lambda: news.append(tracker.acknowledged.number)
    assert tracker.add(EPOCH, 1, 3, 0) == []
    assert tracker.add(EPOCH, 4, 1, 0) == []
    assert (tracker.acknowledged, news) == ((EPOCH, 4), [3, 4])


def test_runs_are_acknowledged_in_order_and_in_parts():
    tracker = ReceiptTracker()
    [first] = tracker.add(EPOCH, 1, 10, 1)
    tracker.add(EPOCH, 11, 5, 0)
    [third] = tracker.add(EPOCH, 16, 1, 1)
    third(1, SAFE)
    assert (tracker.acknowledged, tracker.incomplete) == (None, 10)
    first(4, SAFE)
    assert tracker.acknowledged == (EPOCH, 4)
    first(6, SAFE)
    assert (tracker.acknowledged, tracker.incomplete) == ((EPOCH, 16), 0)


def test_a_message_is_complete_when_all_its_destinations_have_it():
    tracker = ReceiptTracker()
    one, two = tracker.add(EPOCH, 1, 2, 2)
    one(2, SAFE)
    assert tracker.acknowledged is None
    two(1, TAKEN)
    assert tracker.acknowledged == (EPOCH, 1)
    two(1, SAFE)
    assert tracker.acknowledged == (EPOCH, 2)


def test_a_destination_that_loses_messages_refuses_them():
    tracker = ReceiptTracker()
    [one] = tracker.add(EPOCH, 5, 4, 1)
    one(1, SAFE)
    one(2, "old")
    one(1, SAFE)
    assert tracker.acknowledged == (EPOCH, 8)
    assert tracker.take_refusals() == [Nack(EPOCH, 6, 2, "old")]
    assert tracker.take_refusals() == []
    assert tracker.refused == 2
    tracker.refuse(EPOCH, 9, 1, "full")
    all = [Nack(EPOCH, 6, 2, "old"), Nack(EPOCH, 9, 1, "full")]
    assert (tracker.all_refusals({EPOCH}), tracker.all_refusals({1})) == (all, [])
    assert tracker.take_refusals() == []


def test_a_destination_that_takes_fewer_refuses_the_rest():
    tracker = ReceiptTracker()
    [one] = tracker.add(EPOCH, 1, 4, 1)
    one(3, SAFE)
    one.taken(3, "full")
    assert tracker.acknowledged == (EPOCH, 4)
    [two] = tracker.add(EPOCH, 5, 2, 1)
    two.taken(1, "full")
    two.taken(2, "full")
    assert tracker.acknowledged == (EPOCH, 4)
    two(1, SAFE)
    assert tracker.acknowledged == (EPOCH, 6)
    assert tracker.take_refusals() == [Nack(EPOCH, 4, 1, "full"), Nack(EPOCH, 6, 1, "full")]


def test_nothing_behind_a_message_that_stays_with_its_source_is_acknowledged():
    """Members of a group tell of their messages in the order of a run: some have one that stops."""
    tracker = ReceiptTracker()
    [one] = tracker.add(EPOCH, 1, 4, 1)
    for outcome in (SAFE, STOP, SAFE, "full"):
        one(1, outcome)
    assert (tracker.acknowledged, tracker.take_refusals()) == ((EPOCH, 1), [])


def test_refusals_of_neighbours_are_one():
    tracker = ReceiptTracker()
    for number in range(1, 1000):
        tracker.add(EPOCH, number, 1, 0)
        tracker.refuse(EPOCH, number, 1, "full")
    tracker.refuse(EPOCH, 1000, 1, "failed")
    assert tracker.take_refusals() == [Nack(EPOCH, 1, 999, "full"), Nack(EPOCH, 1000, 1, "failed")]


def test_messages_in_front_of_the_refusals_that_are_remembered_are_unknown():
    tracker = ReceiptTracker()
    for number in range(3, 2 * MOST_REPEATED + 9, 2):
        tracker.refuse(EPOCH, number, 1, "full")
        tracker.take_refusals()
    unknown, *others = tracker.all_refusals({EPOCH})
    assert unknown == Nack(EPOCH, 3, 5, UNKNOWN)
    assert [one.first for one in others] == [*range(9, 2 * MOST_REPEATED + 9, 2)]


def test_what_is_unknown_is_known_of_few_epochs():
    tracker = ReceiptTracker()
    for epoch in range(MOST_EPOCHS + 5):
        for number in range(1, 2 * MOST_REPEATED + 2, 2):
            tracker.refuse(epoch, number, 1, "full")
        tracker.take_refusals()
    unknown = [one.epoch for one in tracker.all_refusals(range(99)) if one.reason == UNKNOWN]
    assert unknown == [*range(5, MOST_EPOCHS + 5)]


def test_what_ends_because_the_server_stops_is_never_acknowledged():
    tracker = ReceiptTracker()
    [one] = tracker.add(EPOCH, 1, 2, 1)
    one(1, SAFE)
    one(1, STOP)
    assert tracker.acknowledged == (EPOCH, 1)
    assert tracker.take_refusals() == []


def test_it_is_known_of_each_epoch_what_is_complete():
    tracker = ReceiptTracker()
    [one] = tracker.add(1, 5, 4, 1)
    tracker.add(2, 1, 3, 0)
    assert (tracker.complete(1, 8), tracker.complete(2, 3), tracker.complete(3, 9)) == (4, 3, 9)
    one(2, SAFE)
    assert tracker.complete(1, 8) == 6


def test_a_reader_waits_while_too_much_is_incomplete():
    tracker, calls = ReceiptTracker(), []
    assert isinstance(tracker, Sink)
    receipts = [one for n in range(MOST_RUNS) for one in tracker.add(EPOCH, n + 1, 1, 1)]
    assert tracker.blocked
    tracker.wait(lambda: calls.append("go on"))
    for one in receipts[: MOST_RUNS // 2]:
        assert not calls
        one(1, SAFE)
    assert calls == ["go on"]
    assert not tracker.blocked


def test_complete_runs_behind_an_incomplete_one_are_kept_as_one():
    tracker = ReceiptTracker()
    tracker.add(EPOCH, 1, 1, 1)
    for number in range(2, 2 * MOST_RUNS):
        tracker.add(EPOCH, number, 1, 0)
    assert not tracker.blocked


def test_a_reader_waits_while_a_destination_holds_messages():
    tracker, calls = ReceiptTracker(), []
    [one] = tracker.add(EPOCH, 1, 3, 1)
    two, other = tracker.add(EPOCH, 4, 1, 2)
    one(0, HELD)
    two(0, HELD)
    assert (tracker.blocked, tracker.acknowledged) == (True, None)
    tracker.wait(lambda: calls.append("room"))
    one(1, SAFE)
    other(1, TAKEN)
    assert (tracker.acknowledged, tracker.blocked, calls) == ((EPOCH, 1), True, [])
    two(1, "full")
    assert (tracker.blocked, calls) == (False, ["room"])
    one(2, SAFE)
    assert tracker.acknowledged == (EPOCH, 4)
    assert tracker.take_refusals() == [Nack(EPOCH, 4, 1, "full")]
