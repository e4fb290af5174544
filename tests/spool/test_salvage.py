"""Damaged files: what can be read is delivered, the rest is counted, and the file is put aside."""

import random
import sqlite3
from dataclasses import replace

import pytest

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.salvage import is_damage, salvage, set_aside, unfinished
from ccproxy.spool.schema import FILE_NAME, PAGE_SIZE, SpoolCommit

LINK, OTHER = b"link with 16 oct", b"another with 16."
ROWS = 60


def filled(folder, size=40_000, released=10, partial=0):
    file = SpoolFile(folder, LINK)
    rows = [SpoolRow(id, 7, id, 1, float(id), bytes([id]) * size) for id in range(1, ROWS + 1)]
    state = replace(
        file.state, last=ROWS, released=released, partial=partial,
        messages=ROWS - released, size=size * (ROWS - released), server=b"the far side",
    )  # fmt: skip
    file.write(SpoolCommit(state, rows, {(b"origin", 3): 4}))
    file.close()
    return folder / FILE_NAME


def salvaged(folder):
    result = salvage(folder, set_aside(folder), OTHER, full=False)
    file = SpoolFile(folder, OTHER)
    rows = list(file.rows())
    state, origins = file.state, file.origins()
    file.abandon()
    return result, rows, state, origins


def test_of_a_whole_file_nothing_is_lost(tmp_path):
    filled(tmp_path)
    result, rows, state, origins = salvaged(tmp_path)
    assert (result.messages, result.lost) == (50, 0)
    assert [row.id for row in rows] == list(range(1, ROWS + 1))
    assert (state.link, state.server, state.released, state.messages) == (
        LINK, b"the far side", 10, 50,
    )  # fmt: skip
    assert origins == [(b"origin", 3, 4)]
    assert (tmp_path / "damaged-1" / FILE_NAME).exists()


def test_a_truncated_file(tmp_path):
    path = filled(tmp_path)
    with path.open("r+b") as raw:
        raw.truncate(path.stat().st_size * 2 // 3 // PAGE_SIZE * PAGE_SIZE)
    result, rows, state, _ = salvaged(tmp_path)
    assert 10 < result.messages < 50
    assert result.lost == 50 - result.messages
    assert state.messages == result.messages == len([row for row in rows if row.id > 10])
    assert state.last == ROWS
    assert "messages were read" in str(result) and "damaged-1" in str(result)


@pytest.mark.parametrize("seed", range(12))
def test_random_octets_in_some_pages(tmp_path, seed):
    random.seed(seed)
    path = filled(tmp_path, size=random.choice([300, 5000, 40_000]))
    pages = path.stat().st_size // PAGE_SIZE
    with path.open("r+b") as raw:
        for page in random.sample(range(1, pages), min(3, pages - 1)):
            raw.seek(page * PAGE_SIZE + random.randrange(PAGE_SIZE - 3000))
            raw.write(random.randbytes(3000))
    result, rows, state, _ = salvaged(tmp_path)
    for row in rows:
        assert row.data == bytes([row.id]) * row.size
        assert row.first == row.id
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert result.lost is None or result.lost + result.messages == 50
    assert state.last >= max((row.id for row in rows), default=0)


def test_a_file_that_is_no_database(tmp_path):
    path = filled(tmp_path)
    path.write_bytes(random.Random(1).randbytes(100_000))
    with pytest.raises(sqlite3.DatabaseError) as caught:
        SpoolFile(tmp_path, LINK)
    assert is_damage(caught.value)
    result, rows, state, _ = salvaged(tmp_path)
    assert (result.messages, result.lost, rows, state.link) == (0, None, [], OTHER)
    assert "an unknown number" in str(result)


def test_what_is_acknowledged_in_part_is_not_counted(tmp_path):
    file = SpoolFile(tmp_path, LINK)
    row = SpoolRow(1, 7, 5, 10, 0.0, b"x" * 100)
    file.write(SpoolCommit(replace(file.state, last=1, partial=7, messages=7, size=100), [row]))
    file.close()
    result, _, state, _ = salvaged(tmp_path)
    assert (result.messages, result.lost, state.partial) == (7, 0, 7)


@pytest.mark.parametrize("step", range(4))
def test_a_kill_in_the_middle_of_it_loses_nothing(tmp_path, step):
    filled(tmp_path)
    assert unfinished(tmp_path) is None
    aside = set_aside(tmp_path)
    (tmp_path / f"{FILE_NAME}-wal").touch()  # as after a kill: it has not been moved yet
    if step >= 1:
        (tmp_path / f"{FILE_NAME}-wal").rename(aside / f"{FILE_NAME}-wal")
    if step >= 2:
        (aside / "new").mkdir()
    if step >= 3:
        (aside / "new" / FILE_NAME).write_bytes(b"half of a file")
    assert unfinished(tmp_path) == aside
    result = salvage(tmp_path, aside, OTHER, full=False)
    assert (result.messages, result.lost) == (50, 0)
    assert unfinished(tmp_path) is None


def test_each_damaged_file_has_a_folder_of_its_own(tmp_path):
    for number in range(1, 12):
        filled(tmp_path)
        assert set_aside(tmp_path).name == f"damaged-{number}"
        assert unfinished(tmp_path).name == f"damaged-{number}"


def test_other_failures_are_no_damage():
    assert not is_damage(OSError("disk I/O error"))
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(":memory:").execute("nonsense")
    assert not is_damage(caught.value)
