"""A file that was removed in use is written once more."""

import shutil
from dataclasses import replace

import pytest

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.renewal import Renewals, SpoolRemoved, prepare, renewed
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.schema import SpoolCommit

LINK = bytes(16)


@pytest.fixture
def old(tmp_path):
    """A file with three rows, of which the first is acknowledged; it is removed."""
    folder = tmp_path / "spool"
    folder.mkdir()
    file = SpoolFile(folder, LINK)
    file.mark_open()
    rows = [SpoolRow(id, 7, id, 1, 1.0, b"\0\1%d" % id) for id in (1, 2, 3)]
    state = replace(file.state, last=3, released=1, messages=2, size=6)
    file.write(SpoolCommit(state, rows, {(b"other", 9): 4}))
    shutil.rmtree(folder)
    return file


@pytest.mark.parametrize("batch", [1, 1 << 20])
def test_what_waits_and_what_is_known(old, monkeypatch, batch):
    monkeypatch.setattr("ccproxy.spool.renewal.BATCH_SIZE", batch)
    prepare(old)
    result = renewed(old, True)
    renewals = Renewals(1, 1, 1)
    text = "removed in use, times=2: 3 messages were written once more, 1 lost"
    assert renewals.note(result) == text
    assert result.file.state == replace(old.state, closed=0)
    assert [row.id for row in result.file.rows()] == [2, 3]
    assert result.file.origins() == [(b"other", 9, 4)]
    assert result.file.log.exists(), "closing the old file left the log of the new one"
    result.file.close()


def test_rows_that_cannot_be_read_are_counted(old):
    old._db.execute("UPDATE runs SET checksum = 0 WHERE id = 2")
    prepare(old)
    result = renewed(old, True)
    assert (result.lost, result.file.state.messages, result.file.state.size) == (1, 1, 3)
    result.file.close()


def test_a_copy_that_fails_leaves_nothing(old, monkeypatch):
    prepare(old)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no"):
        patch.setattr(SpoolFile, "origins", _fail)
        renewed(old, True)
    assert list(old.path.parent.iterdir()) == []
    result = renewed(old, True)
    assert result.lost == 0
    result.file.close()


def _fail(file):
    raise OSError("no")


def test_the_place_of_another_file_and_another_disk_are_left_alone(old, tmp_path):
    old.path.parent.mkdir()
    old.path.touch()
    with pytest.raises(SpoolRemoved, match="was replaced by another file"):
        prepare(old)
    old.path.unlink()
    old.path.parent.rmdir()
    tmp_path.rename(tmp_path.parent / "away")
    with pytest.raises(SpoolRemoved, match="was removed with its disk"):
        prepare(old)
    old.forsake()
