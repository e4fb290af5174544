"""The file of a spool: transactions, reading, what is forgotten, and how it gets small again."""

import sqlite3
from dataclasses import replace

import pytest

from ccproxy.spool import file as file_module
from ccproxy.spool.file import SpoolFile, is_full, may_be_full
from ccproxy.spool.reserve import LOG_SIZE
from ccproxy.spool.rows import Damaged, SpoolRow
from ccproxy.spool.schema import NEWER, PAGE_SIZE, DamagedFile, SpoolCommit

LINK = b"link with 16 oct"
EPOCH = 0xFFEE_0000_0000_0001


def row(id, size=100, time=None):
    return SpoolRow(id, EPOCH, 10 * id, 10, float(id if time is None else time), b"x" * size)


@pytest.fixture
def file(tmp_path):
    made = SpoolFile(tmp_path, LINK)
    yield made
    made.abandon()


def write(file, *rows, **marks):
    marks.setdefault("last", max([file.state.last, *(one.id for one in rows)]))
    file.write(SpoolCommit(replace(file.state, **marks), rows))


def ids(rows):
    return [one.id for one in rows]


def test_what_was_written_is_there_when_it_is_opened_again(file, tmp_path):
    write(file, row(1), row(2), messages=20, size=200, server=b"far")
    file.close()
    again = SpoolFile(tmp_path, b"another id")
    assert (again.state.link, again.state.server, again.state.messages) == (LINK, b"far", 20)
    assert list(again.rows()) == [row(1), row(2)]
    assert not again.log.exists() or not again.log.stat().st_size
    again.abandon()


def test_a_transaction_is_there_as_a_whole_or_not_at_all(file, monkeypatch):
    write(file, row(1))
    before = file.state
    broken = replace(before, last=2, server=object())  # the line of the state is written last
    with pytest.raises(sqlite3.Error):
        file.write(SpoolCommit(broken, [row(2)], {(b"link", 1): 5}))
    assert file.state == before
    assert (ids(file.rows()), file.origins()) == ([1], [])
    write(file, row(2))
    assert ids(file.rows()) == [1, 2]


def test_a_transaction_may_be_made_again(file):
    write(file, row(1))
    write(file, row(1), row(2))
    assert ids(file.rows()) == [1, 2]


def test_rows_are_read_up_to_a_size_and_at_least_one(file):
    write(file, *(row(id) for id in range(1, 9)))
    assert ids(file.read(0, 1)) == [1]
    assert ids(file.read(3, 250)) == [4, 5, 6]
    assert ids(file.read(6, 10**6)) == [7, 8]
    assert file.read(8, 100) == []


def test_a_row_that_was_changed_on_the_disk_is_damaged(file):
    write(file, row(1), row(2), row(3))
    file._db.execute("UPDATE runs SET data = ? WHERE id = 2", (b"y" * 100,))
    assert file.read(0, 1000) == [row(1), Damaged(2, 10, 100), row(3)]


def test_origins_are_the_highest_numbers_and_are_bounded(file, monkeypatch):
    file.write(SpoolCommit(file.state, [row(1, time=1)], {(b"a", EPOCH): 5, (b"b", 1): 2}))
    file.write(SpoolCommit(file.state, [row(2, time=2)], {(b"a", EPOCH): 4, (b"b", 1): 3}))
    assert sorted(file.origins()) == [(b"a", EPOCH, 5), (b"b", 1, 3)]
    monkeypatch.setattr(file_module, "MOST_ORIGINS", 3)
    for time in range(3, 9):
        origins = {(b"c", time): 1}
        file.write(SpoolCommit(file.state, [row(time, time=time)], origins))
    assert sorted(file.origins()) == [(b"a", EPOCH, 5), (b"b", 1, 3), (b"c", 8, 1)]
    [[rows]] = file._db.execute("SELECT count(*) FROM origins")
    assert rows <= 7


def test_what_is_kept_and_what_is_forgotten(file):
    write(file, *(row(id) for id in range(1, 9)), released=6)
    assert file.first_time() == 7.0
    assert file.size_to(6) == 600
    assert [file.behind_size(size, 6) for size in (0, 1, 100, 101, 600, 601)] == [1, 2, 2, 3, 7, 7]
    assert [file.first_since(time, 6) for time in (0, 3, 3.5, 6, 7)] == [1, 3, 4, 6, 7]
    file.write(SpoolCommit(file.state, prune=3, dropped=[8]))
    assert ids(file.rows()) == [4, 5, 6, 7]
    write(file, released=8)
    assert file.first_time() is None


def test_rows_of_a_commit_that_was_taken_back_are_forgotten(file):
    write(file, row(1))
    before = file.state
    write(file, row(2))
    file.state = before
    file.write(SpoolCommit(replace(before, released=1)))
    file.check()
    assert ids(file.rows(to=9)) == [1]


def test_the_file_gets_small_again(file):
    size = 20 * LOG_SIZE // 16
    for id in range(1, 41):
        write(file, row(id, size // 20))
    file.checkpoint()
    assert file.path.stat().st_size > 2 * size - PAGE_SIZE
    assert not file.shrink()
    file.write(SpoolCommit(file.state, prune=40))
    while file.shrink():
        pass
    assert file.path.stat().st_size < size
    assert file.log.stat().st_size == 0
    assert list(file.rows()) == []


def test_the_log_does_not_grow_without_end(file):
    for id in range(1, 101):
        file.write(SpoolCommit(replace(file.state, last=id), [row(id, 1 << 20)], prune=id - 3))
    assert file.log.stat().st_size < 1.3 * LOG_SIZE
    assert file.path.stat().st_size < 2 * LOG_SIZE


def test_a_log_that_was_removed_is_noticed(tmp_path):
    file = SpoolFile(tmp_path, LINK)
    assert not file.lost_log
    file.mark_open()
    write(file, row(1))
    file.abandon()  # closes the connection, which copies the log
    again = SpoolFile(tmp_path, LINK)
    assert not again.lost_log
    again.abandon()
    again.log.unlink()
    without = SpoolFile(tmp_path, LINK)
    assert without.lost_log
    without.close()
    closed = SpoolFile(tmp_path, LINK)
    assert not closed.lost_log
    closed.abandon()


def test_a_file_of_a_later_version_is_refused(file, tmp_path):
    file._db.execute("PRAGMA user_version = 9")
    file.abandon()
    with pytest.raises(ValueError, match="has version 9 of its tables, expected 2"):
        SpoolFile(tmp_path, LINK)


def test_a_file_of_the_first_version_gets_the_new_column(file, tmp_path):
    write(file, row(1))
    for table, column in NEWER:
        file._db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    file._db.execute("PRAGMA user_version = 1")
    file.abandon()
    file = SpoolFile(tmp_path, LINK)
    assert list(file.rows()) == [row(1)]
    assert file.state.refused == 0
    write(file, row(2)._replace(replay=True))
    file.close()
    file = SpoolFile(tmp_path, LINK)
    assert [one.replay for one in file.rows()] == [False, True]
    file.close()


def test_a_file_that_is_not_whole_fails_its_check(file, tmp_path):
    write(file, *(row(id, 50_000) for id in range(1, 9)))
    file.check()
    file.close()
    with file.path.open("r+b") as raw:
        raw.truncate(10 * PAGE_SIZE)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        SpoolFile(tmp_path, LINK)


def test_the_check_finds_rows_that_the_state_does_not_know(file):
    write(file, row(1))
    file.check()
    file._db.execute("UPDATE runs SET id = 9")
    with pytest.raises(DamagedFile, match="is not whole"):
        file.check()


def test_only_commits_with_messages_wait_for_the_disk(file):
    write(file, row(1))
    assert [*file._db.execute("PRAGMA synchronous")] == [(2,)]
    file.write(SpoolCommit(file.state, prune=1))
    assert [*file._db.execute("PRAGMA synchronous")] == [(1,)]
    write(file, row(2))
    assert [*file._db.execute("PRAGMA synchronous")] == [(2,)]


def test_no_room_is_told_from_other_failures(file):
    with pytest.raises(sqlite3.OperationalError) as caught:
        file._db.execute("PRAGMA max_page_count = 1")
        write(file, row(1, 10**6))
    assert is_full(caught.value)
    assert may_be_full(caught.value)
    assert not is_full(OSError("no")) and not may_be_full(OSError("no"))


def test_others_cannot_read_it(file):
    write(file, row(1))
    assert {one.stat().st_mode & 0o777 for one in (file.path, file.log)} == {0o600}
