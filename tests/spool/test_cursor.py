"""The rows on their way: what is sent, what is sent again after a cut, and what is released."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.delivery.store import MessageNumber
from ccproxy.spool import cursor as cursors
from ccproxy.spool.cursor import Cursor
from ccproxy.spool.rows import SpoolRow
from tests.core.delivery.test_store import chunk, names

E1, E2 = 0xE1, 0xE2


def row(id, epoch, first, *messages):
    return SpoolRow(id, epoch, first, len(messages), float(id), chunk(*messages))


def filled(partial=0):
    cursor = Cursor(0, partial)
    cursor.add(row(1, E1, 1, 11, 12, 13))
    cursor.add(row(2, E1, 4, 14, 15))
    cursor.add(row(3, E2, 1, 21, 22))
    return cursor


def sent(cursor, limit=1000):
    return names([one.stored for one in cursor.fetch(limit)])


def test_rows_are_fetched_in_order_and_at_least_one():
    cursor = filled()
    assert (sent(cursor, 1), sent(cursor, 11), sent(cursor), sent(cursor)) == (
        [11, 12, 13], [14, 15, 21, 22], [], [],
    )  # fmt: skip
    assert (cursor.end, cursor.written, cursor.ready_size, cursor.taken_size) == (3, 3, 0, 7 * 5)


def test_a_release_in_the_middle_of_a_row():
    cursor = filled()
    sent(cursor)
    settled = cursor.release(MessageNumber(E1, 2))
    assert (settled.messages, settled.size, cursor.released, cursor.partial) == (2, 0, 0, 2)
    settled = cursor.release(MessageNumber(E1, 4))
    assert (settled.messages, settled.size, cursor.released, cursor.partial) == (2, 15, 1, 4)
    assert not cursor.release(MessageNumber(E1, 4)).messages
    cursor.rewind({})
    assert sent(cursor) == [15, 21, 22]
    settled = cursor.release(MessageNumber(E2, 1))
    assert (settled.messages, settled.size, cursor.released, cursor.partial) == (2, 10, 2, 1)


def test_an_acknowledgement_that_goes_back_counts_nothing_twice():
    for partial, left in ((0, 3), (2, 1)):
        cursor = filled(partial)
        sent(cursor)
        settled = [cursor.release(MessageNumber(E1, number)) for number in (2, 1, 2, 3, 1, 3)]
        assert sum(one.accepted for one in settled) == left
        assert (cursor.released, cursor.partial) == (1, 0)


def test_rows_that_come_later_are_released_epoch_by_epoch():
    cursor = Cursor(0, 0)
    cursor.rewind({E1: 99, E2: 1})
    cursor.add(row(1, E1, 1, 11, 12, 13))
    assert cursor.release(MessageNumber(E1, 99)).messages == 3
    assert cursor.release(MessageNumber(E2, 1)).messages == 0
    cursor.add(row(2, E1, 4, 14, 15))
    assert cursor.overdue().messages == 2
    cursor.add(row(3, E2, 1, 21, 22))
    assert (cursor.overdue().messages, sent(cursor)) == (1, [22])


def test_what_the_far_side_has_fills_the_memory_only_so_far(monkeypatch):
    monkeypatch.setattr(cursors, "MOST_HAD", 20)
    cursor = Cursor(0, 0)
    cursor.rewind({E1: 1 << 63})
    cursor.add(row(1, E1, 1, 11, 12, 13))
    assert not cursor.overfull
    cursor.add(row(2, E1, 4, 14, 15))
    assert cursor.overfull
    cursor.release(MessageNumber(E1, 3))
    assert not cursor.overfull
    cursor.add(row(3, E2, 1, 21, 22))
    sent(cursor)
    assert not cursor.overfull
    cursor.rewind({E1: 5})
    assert not cursor.overfull
    cursor.rewind({})
    sent(cursor)
    assert not cursor.overfull


def test_a_release_of_one_epoch_stops_at_the_next():
    cursor = filled()
    sent(cursor)
    settled = cursor.release(MessageNumber(E1, 99))
    assert (settled.messages, cursor.released) == (5, 2)
    assert not cursor.release(MessageNumber(0xBAD, 1)).messages
    assert len(cursor.taken) == 1


def test_what_the_far_side_has_is_not_sent_again():
    cursor = filled()
    sent(cursor)
    cursor.rewind({E1: 4})
    assert sent(cursor) == [15, 21, 22]
    settled = cursor.release(MessageNumber(E1, 4))
    assert (settled.messages, cursor.released, cursor.partial) == (4, 1, 4)
    settled = cursor.release(MessageNumber(E2, 2))
    assert (settled.messages, cursor.released, cursor.partial) == (3, 3, 0)
    assert not cursor.taken and not cursor.taken_size


def test_a_spool_that_was_opened_again_learns_what_the_far_side_has_before_it_has_read():
    cursor = Cursor(0, 1)
    cursor.rewind({E1: 4})
    assert not cursor.release(MessageNumber(E1, 4)).messages
    for one in filled().ready:
        cursor.add(one)
    settled = cursor.overdue()
    assert (settled.messages, cursor.released, cursor.partial) == (3, 1, 4)
    assert settled.size == 15 + 5
    assert not cursor.overdue().messages
    assert sent(cursor) == [15, 21, 22]


def test_refused_messages_are_named_when_the_release_reaches_them():
    cursor = filled()
    sent(cursor)
    cursor.refuse(E1, 2, 3, "full")
    cursor.refuse(E2, 2, 1, "failed")
    settled = cursor.release(MessageNumber(E1, 3))
    assert (settled.accepted, dict(settled.refused)) == (1, {"full": 2})
    [(data, messages, reason)] = settled.dead
    assert (data, messages, reason) == (chunk(12, 13), 2, "full")
    settled = cursor.release(MessageNumber(E2, 2))
    assert (settled.accepted, dict(settled.refused)) == (2, {"full": 1, "failed": 1})
    assert [one[0] for one in settled.dead] == [chunk(14), chunk(22)]


def test_only_rows_that_were_never_taken_are_dropped():
    cursor = filled()
    sent(cursor, 1)
    cursor.rewind({})
    assert cursor.drop_oldest(0).id == 2
    assert cursor.drop_oldest(3) is None
    assert cursor.drop_oldest(0).id == 3
    assert cursor.drop_oldest(0) is None
    assert sent(cursor) == [11, 12, 13]


@given(st.data())
def test_any_cuts_and_releases_lose_nothing_and_keep_the_order(data):
    cursor, number, given_away, done = Cursor(0, 0), 0, 0, 0
    for id in range(1, 12):
        size = data.draw(st.integers(1, 4))
        cursor.add(row(id, E1, number + 1, *range(number + 1, number + size + 1)))
        number += size
        match data.draw(st.sampled_from(["fetch", "cut", "release"])):
            case "fetch":
                for name in sent(cursor, data.draw(st.integers(1, 40))):
                    assert name == given_away + 1
                    given_away = name
            case "cut":
                has = data.draw(st.integers(done, given_away))
                cursor.rewind({E1: has})
                given_away = has
            case "release":
                to = data.draw(st.integers(done, given_away))
                settled = cursor.release(MessageNumber(E1, to))
                assert settled.messages == to - done
                done = to
    rest = sent(cursor, 10**6)
    assert rest == list(range(given_away + 1, number + 1))
    assert cursor.release(MessageNumber(E1, number)).messages == number - done
    assert (cursor.ready_size, cursor.taken_size, cursor.released) == (0, 0, 11)
