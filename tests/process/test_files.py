"""Opening the files that the process writes."""

import os

import pytest

from ccproxy.process.files import opened

MAKE = os.O_WRONLY | os.O_CREAT


def test_a_file_is_made_and_not_inherited(tmp_path):
    descriptor = opened(tmp_path / "x", MAKE, 0o600)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError) as error:
        opened(tmp_path / "no" / "x", MAKE, 0o600)
    assert error.value.strerror == f"there is no folder {tmp_path}/no"


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "x", os.O_RDONLY, 0)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "no" / "x", os.O_RDONLY, 0)
