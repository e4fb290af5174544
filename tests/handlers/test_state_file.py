"""The state file: all or nothing, the last row of a key, one owner, growth."""

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy_handlers import state_file
from ccproxy_handlers.state_file import StateFile


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state.db")


def test_what_is_written_is_read_again(path):
    file = StateFile(path)
    assert file.read() == []
    file.write([("a", "1", "x"), ("a", "2", "y"), ("b", "1", "z")])
    file.write([("a", "1", "new"), ("a", "2", None), ("b", "9", None)])
    file.close()
    again = StateFile(path, full=False)
    assert sorted(again.read()) == [("a", "1", "new"), ("b", "1", "z")]
    again.close()


def test_the_last_row_of_a_key_wins(path):
    file = StateFile(path)
    file.write(
        [("a", "1", "x"), ("a", "1", None), ("a", "1", "y"), ("a", "2", "x"), ("a", "2", None)]
    )
    assert file.read() == [("a", "1", "y")]
    file.close()


ROWS = st.tuples(
    st.sampled_from("ab"), st.integers(0, 200).map(str), st.none() | st.text(max_size=3)
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=150), max_size=4))
def test_it_is_a_dictionary(tmp_path_factory, batches):
    file = StateFile(str(tmp_path_factory.mktemp("state") / "db"))
    model = {}
    for batch in batches:
        file.write(batch)
        for kind, key, row in batch:
            model[kind, key] = row
    kept = [(*name, row) for name, row in model.items() if row is not None]
    assert sorted(file.read()) == sorted(kept)
    file.close()


def test_a_transaction_is_there_as_a_whole_or_not_at_all(path):
    file = StateFile(path)
    file.write([("a", "1", "x")])
    with pytest.raises(sqlite3.Error):
        file.write([("a", "1", "y"), ("a", "2", object())])
    assert file.read() == [("a", "1", "x")]
    file.write([("a", "2", "z")])
    assert len(file.read()) == 2
    file.close()


def test_one_owner_at_a_time(path):
    first = StateFile(path)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        StateFile(path)
    first.close()
    StateFile(path).close()


def test_files_that_are_not_ours(path, tmp_path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE something (x)")
    other.commit()
    other.close()
    with pytest.raises(ValueError, match="version 0 of its tables, expected 1"):
        StateFile(path)
    (tmp_path / "text").write_text("no database at all, but long enough to look at it\n" * 50)
    with pytest.raises(sqlite3.DatabaseError):
        StateFile(str(tmp_path / "text"))
    with pytest.raises(sqlite3.OperationalError):
        StateFile(str(tmp_path / "no" / "folder.db"))


@pytest.mark.parametrize("kind", ["no folder", "folder", "text"])
def test_one_that_cannot_be_opened_is_named_with_the_reason(tmp_path, kind):
    path = tmp_path / "x.db"
    says = {"no folder": "there is no folder", "folder": "it is a folder",
            "text": "file is not a database"}  # fmt: skip
    if kind == "no folder":
        path = tmp_path / "no" / "x.db"
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("no database at all, but long enough to look at it\n" * 50)
    with pytest.raises(sqlite3.Error) as error:
        StateFile(str(path))
    assert str(error.value).startswith(f"{path} cannot be opened: {says[kind]}")


def test_a_missing_right_is_the_reason(tmp_path, monkeypatch):
    (tmp_path / "x.db").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    named = state_file._named(sqlite3.OperationalError("no"), str(tmp_path / "x.db"))
    assert str(named).endswith("cannot be opened: no right to read and write it")
    named = state_file._named(sqlite3.OperationalError("no"), str(tmp_path / "y.db"))
    assert str(named).endswith(f"cannot be opened: no right to make files in {tmp_path}")


def test_one_that_is_locked_is_named(path):
    first = StateFile(path)
    with pytest.raises(sqlite3.OperationalError, match=f"{path} cannot be opened: .*locked"):
        StateFile(path)
    first.close()


@pytest.mark.parametrize("what", ["is empty", "is missing"])
def test_an_emptied_file_is_no_fresh_start(path, what):
    Path(f"{path}-wal").write_bytes(b"changes")
    if what == "is empty":
        Path(path).touch()
    with pytest.raises(ValueError, match=f"{what}, but its log .*-wal holds 7 bytes"):
        StateFile(path)
    assert Path(f"{path}-wal").read_bytes() == b"changes"


def test_an_empty_file_is_no_fresh_start(path):
    Path(path).touch()
    with pytest.raises(ValueError, match="is empty, which a state file never is"):
        StateFile(path)
    Path(path).unlink()
    StateFile(path).close()
    assert Path(path).stat().st_size and not Path(f"{path}.new").exists()


def test_one_that_vanished_is_there_again_after_the_end(path):
    file = StateFile(path)
    file.write([("a", "1", "x")])
    Path(path).unlink()
    file.close()
    again = StateFile(path)
    assert again.read() == [("a", "1", "x")]
    again.close()


def test_one_that_vanishes_is_written_anew(path):
    file = StateFile(path)
    file.write([("a", "1", "x"), ("a", "2", "y")])
    Path(path).unlink()
    file.write([("a", "1", "new")])
    assert file.restored == 1
    file.write([("a", "3", "z")])
    assert file.restored == 1
    file.close()
    again = StateFile(path)
    assert sorted(again.read()) == [("a", "1", "new"), ("a", "2", "y"), ("a", "3", "z")]
    again.close()


def test_one_that_was_replaced_is_left_alone(path, tmp_path):
    file = StateFile(path)
    (tmp_path / "other").write_text("of somebody else")
    (tmp_path / "other").rename(path)
    with pytest.raises(OSError, match="was replaced by another file"):
        file.write([("a", "1", "x")])
    file.close()
    assert Path(path).read_text() == "of somebody else"


def test_growth_is_bounded_by_what_is_kept(path):
    file = StateFile(path, full=False)
    row = "x" * 200
    for turn in range(300):
        file.write([("a", str(number), f"{row}{turn}") for number in range(100)])
        file.write([("b", str(100 * turn + number), row) for number in range(100)])
        file.write([("b", str(100 * turn + number), None) for number in range(100)])
    size, log = file.sizes()
    assert size < 200_000
    assert log < 6_000_000
    file.close()
