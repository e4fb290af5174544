"""Rows: how runs become rows, which numbers they get, and that a check sum covers all of them."""

from ccproxy.core.delivery.store import REPLAYED, RunOrigin
from ccproxy.spool import rows
from ccproxy.spool.rows import Numbering, OfferedRun, SpoolRow, last_numbers
from tests.core.delivery.test_store import chunk, names


def test_runs_are_joined_up_to_a_size_and_numbered():
    size = rows.ROW_SIZE
    numbering = Numbering(7, 0xE1)
    offered = [
        OfferedRun(b"a" * 100, 2), OfferedRun(b"b" * (size - 100), 3), OfferedRun(b"", 5),
        OfferedRun(b"c", 1), OfferedRun(b"d" * 2 * size, 9), OfferedRun(b"e", 1),
    ]  # fmt: skip
    made = list(numbering.rows(offered, 12.5))
    assert [(row.id, row.first, row.messages, row.size) for row in made] == [
        (7, 1, 5, size), (8, 6, 1, 1), (9, 7, 9, 2 * size), (10, 16, 1, 1),
    ]  # fmt: skip
    assert {(row.epoch, row.time) for row in made} == {(0xE1, 12.5)}
    assert [row.first for row in numbering.rows([OfferedRun(b"f", 1)], 13.0)] == [17]


def test_a_row_without_its_first_messages():
    row = SpoolRow(1, 0xE1, 10, 3, 0.0, chunk(1, 2, 3))
    assert row.behind(0) is row
    rest = row.behind(2)
    assert (rest.first, rest.messages, names([rest.stored])) == (12, 1, [3])
    assert row.behind(9).messages == 0


def test_each_field_is_in_the_check_sum():
    row = SpoolRow(1, 0xE1, 10, 3, 0.0, chunk(1, 2, 3))
    others = [
        row._replace(id=2), row._replace(epoch=0xE2), row._replace(first=11),
        row._replace(messages=4), row._replace(data=chunk(1, 2, 4)), row._replace(replay=True),
    ]  # fmt: skip
    assert len({one.check for one in [row, *others]}) == 7


def test_a_replay_has_rows_of_its_own_and_no_origin_unless_it_came_from_a_link():
    link = RunOrigin(b"x", 1, 5, replay=True)
    offered = [
        OfferedRun(b"a", 1), OfferedRun(b"b", 1, None, REPLAYED), OfferedRun(b"c", 2, None, link),
        OfferedRun(b"d", 1),
    ]  # fmt: skip
    made = list(Numbering(1, 0xE1).rows(offered, 0.0))
    assert [(row.data, row.first, row.stored.replay) for row in made] == [
        (b"a", 1, False), (b"bc", 2, True), (b"d", 5, False),
    ]  # fmt: skip
    assert last_numbers(offered) == {(b"x", 1): 6}


def test_the_last_numbers_of_each_origin():
    offered = [
        OfferedRun(b"a", 3, None, RunOrigin(b"x", 1, 5)), OfferedRun(b"b", 1),
        OfferedRun(b"c", 2, None, RunOrigin(b"x", 1, 8)),
        OfferedRun(b"d", 1, None, RunOrigin(b"x", 2, 1)),
    ]  # fmt: skip
    assert last_numbers(offered) == {(b"x", 1): 9, (b"x", 2): 1}
