"""The id of a server over its restarts."""

import pytest

from ccproxy.process.server_id import server_id


def test_an_id_is_made_once_and_stays(tmp_path):
    file = tmp_path / "id"
    first = server_id(str(file))
    assert len(first) == 16
    assert server_id(str(file)) == first
    assert file.read_text() == f"{first.hex()}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_servers_have_two_ids(tmp_path):
    assert server_id(str(tmp_path / "one")) != server_id(str(tmp_path / "two"))
    assert server_id("") != server_id("")


@pytest.mark.parametrize("text", ["", "abc", "A" * 32, "\x1b[2J", "0" * 33])
def test_a_file_with_anything_else_is_named(tmp_path, text):
    file = tmp_path / "id"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected the 32 hexadecimal digits"):
        server_id(str(file))
    assert file.read_text() == text


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        server_id(str(tmp_path / "nowhere" / "id"))
