"""Receipts that are told in parts."""

from ccproxy.core.delivery.receipt_queue import ReceiptQueue


def queue(*spans):
    told, made = [], ReceiptQueue()
    for number, (first, last) in enumerate(spans):
        made.append(first, last, last - first + 1, lambda *one, n=number: told.append((n, *one)))
    return made, told


def test_a_receipt_is_told_as_far_as_the_numbers_go():
    receipts, told = queue((1, 3), (4, 4), (7, 9))
    receipts.tell(2, "safe")
    assert told == [(0, 2, "safe")]
    receipts.tell(8, "full")
    assert told[1:] == [(0, 1, "full"), (1, 1, "full"), (2, 2, "full")]
    receipts.tell(8, "safe")
    receipts.tell(9, "safe")
    assert told[4:] == [(2, 1, "safe")]


def test_messages_without_numbers_of_their_own_end_with_another_one():
    receipts, told = queue((5, 5))
    receipts.append(5, 5, 10, lambda *one: told.append(("repeated", *one)))
    receipts.tell(5, "safe")
    assert told == [(0, 1, "safe"), ("repeated", 10, "safe")]


def test_what_moves_is_told_in_the_other_queue():
    receipts, told = queue((1, 2), (3, 6))
    other, _ = queue()
    receipts.move(4, other)
    other.tell(4, "safe")
    assert told == [(0, 2, "safe"), (1, 2, "safe")]
    receipts.tell(6, "old")
    assert told[2:] == [(1, 2, "old")]
    receipts.move(6, other)
