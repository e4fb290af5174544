import pytest

from ccproxy_handlers.redirect import state
from ccproxy_handlers.redirect.destination import ResourceDestination
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.state import Configured, Kept

ONE, TWO = (Location("h", 1), "sodep"), (Location("h", 2), "http")
FAR = ResourceDestination("", *TWO)


def test_a_place_is_kept_for_the_place_it_stands_instead_of(tmp_path):
    file = str(tmp_path / "state")
    assert state.read(file, Configured(ONE)) == Kept()
    state.write(file, Kept(TWO), Configured(ONE))
    assert state.read(file, Configured(ONE)) == Kept(TWO)
    assert state.read(file, Configured(TWO)) == Kept()
    assert state.read(file, Configured()) == Kept()
    assert [one.name for one in tmp_path.iterdir()] == ["state"]


def test_resources_are_kept_for_what_the_ini_says_of_each(tmp_path):
    file = str(tmp_path / "state")
    kept = Kept(None, {"Mul": FAR, "Sum": None, "Plus": ResourceDestination("h:sum")})
    state.write(file, kept, Configured(None, {"Sum": "h:sum"}))
    assert state.read(file, Configured(None, {"Sum": "h:sum"})) == kept
    found = state.read(file, Configured(ONE, {"Sum": "h:other", "Mul": "h:mul"}))
    assert found == Kept(None, {"Plus": ResourceDestination("h:sum")})


def test_nothing_is_kept_any_more(tmp_path):
    file = str(tmp_path / "state")
    state.write(file, Kept(), Configured(ONE))
    assert state.read(file, Configured(ONE)) == Kept()


def test_a_file_of_an_earlier_version_holds(tmp_path):
    file = tmp_path / "state"
    file.write_text(
        '{"location": "socket://h:2", "protocol": "http", "instead": ["socket://h:1", "sodep"]}'
    )
    assert state.read(str(file), Configured(ONE)) == Kept(TWO)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"protocol": 1}', '{"protocol": []}', '{"resources": []}',
        '{"resources": {"a b": {"instead": ""}}}',
        '{"resources": {"A": {"instead": "", "location": "x", "protocol": "sodep"}}}',
        '{"resources": {"A": {"instead": "", "location": "socket://h:1", "protocol": 7}}}',
    ],
)  # fmt: skip
def test_a_file_that_holds_something_else(tmp_path, text):
    file = tmp_path / "state"
    file.write_text(text)
    with pytest.raises(ValueError):
        state.read(str(file), Configured(ONE))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "state"
    state.write(str(file), Kept(ONE), Configured(ONE))
    before = file.read_text()

    def full(*args):
        raise OSError("no space")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        state.write(str(file), Kept(TWO), Configured(ONE))
    assert file.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
