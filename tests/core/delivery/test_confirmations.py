"""Which acknowledgements a client hears, and of which kind."""

from ccproxy.core.delivery.confirmations import MOST_SERIES, Confirmations
from ccproxy.core.delivery.receipts import ReceiptTracker
from ccproxy.core.delivery.store import SAFE, MessageNumber
from ccproxy.wire.receipts import Acknowledgement
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS

EPOCH = 5


def ack(number, kind="safe", epoch=EPOCH):
    return Acknowledgement(epoch, number, kind)


def test_a_series_of_one_kind_is_said_by_its_end():
    made = Confirmations()
    assert made.behind(None) == []
    for number in (1, 2, 4):
        made.note(EPOCH, number, safe=True)
    assert made.behind(None) == [ack(4)]
    made.note(EPOCH, 5, safe=False)
    made.note(EPOCH, 9, safe=True)
    assert made.behind(None) == [ack(4), ack(5, "handed"), ack(9)]
    assert made.behind(MessageNumber(EPOCH, 3)) == [ack(4), ack(5, "handed"), ack(9)]
    assert made.behind(MessageNumber(EPOCH, 5)) == [ack(9)]
    assert made.behind(MessageNumber(EPOCH, 9)) == []


def test_epochs_are_series_of_their_own():
    made = Confirmations()
    made.note(1, 7, safe=True)
    made.note(2, 3, safe=True)
    assert made.behind(MessageNumber(1, 7)) == [ack(3, epoch=2)]
    assert made.behind(None) == [ack(7, epoch=1), ack(3, epoch=2)]


def test_of_too_many_series_the_first_become_one_that_promises_less():
    made = Confirmations()
    for number in range(1, MOST_SERIES + 1):
        made.note(EPOCH, number, safe=bool(number % 2))
    assert len(made.behind(None)) == MOST_SERIES
    made.note(EPOCH, MOST_SERIES + 1, safe=True)
    found = made.behind(None)
    assert (len(found), found[0], found[1]) == (MOST_SERIES, ack(2, "handed"), ack(3))
    made.note(EPOCH, MOST_SERIES + 2, safe=False)
    assert made.behind(None)[0] == ack(3, "handed")


def test_the_end_of_an_epoch_outlives_its_series_and_promises_less():
    made = Confirmations()
    made.note(1, 5, safe=True)
    made.note(2, 7, safe=True)
    for number in range(1, MOST_SERIES + 1):
        made.note(3, number, safe=bool(number % 2))
    assert made.behind(None)[0] == ack(1, epoch=3)
    assert made.all()[:3] == [ack(5, "handed", 1), ack(7, "handed", 2), ack(1, epoch=3)]
    made.forget(1)
    made.forget(3)
    assert made.all() == [ack(7, "handed", 2)]


def test_the_epochs_are_bounded():
    made = Confirmations()
    for epoch in range(500):
        made.note(epoch, 1, safe=epoch == 499)
    found = made.all()
    assert len(found) == MOST_SERIES + MOST_EPOCHS
    assert [one.epoch for one in found] == [*range(500 - len(found), 500)]
    assert [one.epoch for one in found if one.kind == "safe"] == [499]


def test_a_tracker_knows_the_kinds():
    tracker = ReceiptTracker()
    made = tracker.confirmations = Confirmations()
    tracker.add(EPOCH, 1, 2, 0)
    [one] = tracker.add(EPOCH, 3, 2, 1)
    tracker.add(EPOCH, 5, 1, 0)
    assert made.behind(None) == [ack(2, "handed")]
    one(1, SAFE)
    assert made.behind(None) == [ack(2, "handed"), ack(3)]
    one(1, SAFE)
    assert made.behind(None) == [ack(2, "handed"), ack(4), ack(5, "handed")]
