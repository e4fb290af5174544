"""What an operator does with the folder of a spool that no server has."""

from dataclasses import replace

import pytest

from ccproxy.spool import operations
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.lock import FolderLock, SpoolInUse
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.schema import SpoolCommit
from tests.core.delivery.test_store import chunk, names

LINK = b"link with 16 oct"
SIZE = len(chunk(1))


@pytest.fixture
def folder(tmp_path):
    """Ten runs of two messages each; four are acknowledged, and one message of the fifth."""
    file = SpoolFile(tmp_path, LINK)
    rows = [
        SpoolRow(id, 0xE1, 2 * id - 1, 2, 1000.0 + id, chunk(2 * id - 1, 2 * id))
        for id in range(1, 11)
    ]
    state = replace(file.state, last=10, released=4, partial=9, messages=11, size=12 * SIZE)
    file.write(SpoolCommit(state, rows, {(b"origin", 1): 2}))
    file.close()
    (tmp_path / "damaged-1").mkdir()
    return tmp_path


def held(folder):
    with operations.at_rest(folder) as file:
        rows = [row for row in file.rows() if row.id > file.state.released]
        return names([row.stored for row in rows]), file.state


def test_the_report(folder):
    with operations.at_rest(folder) as file:
        report = operations.report(file)
    assert (report.folder, report.link) == (str(folder), LINK.hex())
    assert (report.waiting, report.bytes) == (11, 12 * SIZE)
    assert (report.kept, report.kept_bytes) == (8, 8 * SIZE)
    assert (report.first_run, report.last_run, report.oldest) == (1, 10, 1005.0)
    assert (report.origins, report.damaged) == (1, (f"{folder}/damaged-1",))
    assert report.file_bytes >= 4 * 16 * 1024


def test_the_runs_come_by_page(folder, monkeypatch):
    monkeypatch.setattr(operations, "MOST_RUNS", 4)
    seen = []
    with operations.at_rest(folder) as file:
        while page := operations.run_lines(file, seen[-1].run if seen else 0).items:
            assert len(page) <= 4
            seen += page
    assert [one.run for one in seen] == list(range(1, 11))
    assert (seen[0].epoch, seen[0].first, seen[0].messages) == ("00000000000000e1", 1, 2)
    assert [one.waits for one in seen] == [False] * 4 + [True] * 6


def test_each_message_is_copied_with_its_number(folder):
    with operations.at_rest(folder) as file:
        rows = operations.copies(file, 3)
    messages = [one for row, waits in rows for one in operations.messages_of(row, waits)]
    assert [one["number"] for one in messages] == list(range(7, 21))
    assert messages[0] == {
        "run": 4, "epoch": "00000000000000e1", "number": 7, "time": 1004.0, "waits": False,
        "frames": [b"007"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("to", "dropped", "left"), [(6, 3, range(13, 21)), (10, 11, ()), (99, 11, ()), (4, 0, None)]
)
def test_what_waits_is_dropped_up_to_a_run(folder, to, dropped, left):
    with operations.at_rest(folder) as file:
        assert operations.drop(file, to) == dropped
    found, state = held(folder)
    if left is not None:
        assert found == list(left)
        assert (state.messages, state.size) == (len(left), SIZE * len(left))


def test_acknowledged_runs_wait_again_as_new_messages(folder):
    with operations.at_rest(folder) as file:
        first = operations.first_run(file, operations.place("3", 0.0))
        assert operations.replay(file, first) == 4
    found, state = held(folder)
    assert found == [*range(9, 21), 5, 6, 7, 8]
    assert (state.messages, state.size) == (15, 16 * SIZE)
    with operations.at_rest(folder) as file:
        *_, again = file.rows()
    assert again.epoch != 0xE1 and again.first == 1


def test_a_replay_from_a_time(folder):
    with operations.at_rest(folder) as file:
        assert operations.first_run(file, (0, 1002.5)) == 3
        assert operations.replay(file, operations.first_run(file, (0, 2000.0))) == 0


def test_places():
    assert operations.place("17", 5000.0) == (17, 0.0)
    assert operations.place("2 h", 10_000.0) == (0, 2800.0)
    assert operations.place("1.5 m", 10_000.0) == (0, 9910.0)
    assert operations.place("2026-05-01T14:30:00+00:00", 0.0) == (0, 1777645800.0)
    with pytest.raises(ValueError, match="found 'yesterday', expected the number of a run, a time"):
        operations.place("yesterday", 0.0)


def test_a_folder_that_a_process_has_is_refused(folder):
    lock = FolderLock(folder)
    with pytest.raises(SpoolInUse), operations.at_rest(folder):
        pass
    lock.release()


def test_another_folder_is_refused_and_stays_as_it_is(tmp_path):
    refusal = pytest.raises(OSError, match="it is not the folder of a spool")
    with refusal, operations.at_rest(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
