"""What a line of a table is worth."""

import pytest

from ccproxy.spool.rows import Damaged, SpoolRow, epoch_bytes
from ccproxy.spool.schema import SpoolCommit, State, checked

ROW = SpoolRow(3, 0xFFFF_FFFF_FFFF_FFFF, 5, 2, 1.5, b"two messages")


def line(row):
    return [row.id, epoch_bytes(row.epoch), row.first, row.messages, row.time, row.check, row.data,
            row.replay]  # fmt: skip


def test_a_row_is_read_as_it_was_written():
    assert checked(line(ROW)) == ROW
    assert checked(line(ROW._replace(replay=True))).replay


@pytest.mark.parametrize(
    ("place", "value", "messages"),
    [(1, b"", 2), (1, "text", 2), (2, 6, 2), (3, 10**9, 1), (3, "x", 1), (3, 0, 1), (5, 1, 2),
     (6, b"two massages", 2), (7, 1, 2), (4, None, 2), (2, -1, 2)],
)  # fmt: skip
def test_a_changed_row_is_damaged_and_its_messages_are_counted_as_far_as_they_can(
    place, value, messages
):
    changed = line(ROW)
    changed[place] = value
    assert checked(changed) == Damaged(3, messages, 12)


def test_a_row_without_its_messages():
    assert checked([3, b"", 5, 2, 1.5, 0, None, 0]) == Damaged(3, 1, 0)


def test_a_commit_without_messages_may_be_lost():
    state = State(b"link")
    assert SpoolCommit(state, dropped=[1]).safe_when_lost
    assert not SpoolCommit(state, [ROW]).safe_when_lost
    assert not SpoolCommit(state, origins={(b"x", 1): 1}).safe_when_lost
