"""A file that is parsed anew when it has changed."""

import pytest

from ccproxy import Problem
from ccproxy_handlers.ssmmp.watched_file import WatchedFile


def parse(path, text):
    if "bad" in text:
        return None, [Problem(path, 1, "bad"), Problem(path, 2, "worse")]
    return text.split(), []


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "words"
    made.write_text("a b")
    return made


def test_it_has_changed_until_it_is_read(path):
    file = WatchedFile(str(path), parse)
    assert file.changed
    assert file.read() == ["a", "b"]
    assert not file.changed
    path.write_text("a b c")
    assert file.changed
    assert file.read() == ["a", "b", "c"] and not file.changed


def test_another_file_of_the_same_name_is_a_change(path, tmp_path):
    file = WatchedFile(str(path), parse)
    file.read()
    other = tmp_path / "other"
    other.write_text("a b")
    other.rename(path)
    assert file.changed


def test_a_file_that_is_away_has_changed(path):
    file = WatchedFile(str(path), parse)
    file.read()
    path.unlink()
    assert file.changed
    with pytest.raises(OSError, match="words"):
        file.read()


def test_all_mistakes_are_said_and_not_said_again_until_it_changes(path):
    path.write_text("bad")
    file = WatchedFile(str(path), parse)
    with pytest.raises(ValueError, match="bad.*worse"):
        file.read()
    assert not file.changed
    assert [one.what for one in file.problems()] == ["bad", "worse"]


def test_what_is_no_text_is_a_value_error(path):
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match="utf-8"):
        WatchedFile(str(path), parse).problems()
