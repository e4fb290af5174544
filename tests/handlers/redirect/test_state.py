import pytest

from ccproxy_handlers.redirect import state
from ccproxy_handlers.redirect.location import Location

ONE, TWO = (Location("h", 1), "sodep"), (Location("h", 2), "http")


def test_a_place_is_kept_for_the_place_it_stands_instead_of(tmp_path):
    file = str(tmp_path / "state")
    assert state.read(file, ONE) is None
    state.write(file, TWO, ONE)
    assert state.read(file, ONE) == TWO
    assert state.read(file, TWO) is None
    assert [one.name for one in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"protocol": 1}', '{"protocol": []}'])
def test_a_file_that_holds_something_else(tmp_path, text):
    file = tmp_path / "state"
    file.write_text(text)
    with pytest.raises(ValueError):
        state.read(str(file), ONE)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "state"
    state.write(str(file), ONE, ONE)
    before = file.read_text()

    def full(*args):
        raise OSError("no space")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        state.write(str(file), TWO, ONE)
    assert file.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
