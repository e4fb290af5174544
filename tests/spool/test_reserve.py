"""The room that a spool sets aside."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ccproxy.spool.reserve import LOG_SIZE, RESERVE_NAME, Reserve, log_size


@pytest.fixture
def disk(monkeypatch):
    """A disk with so many bytes in all and so many free ones, which takes reserves or does not."""
    disk = SimpleNamespace(f_frsize=1, f_blocks=1 << 40, f_bavail=1 << 40, error=0, made=0)

    def allocate(file, at, size):
        if disk.error:
            raise OSError(disk.error, os.strerror(disk.error))
        disk.made = size
        os.ftruncate(file, size)

    monkeypatch.setattr(os, "statvfs", lambda path: disk)
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    return disk


def test_it_holds_a_log_that_is_too_long_on_disks_of_all_sizes(disk, tmp_path):
    for blocks, log in ((1 << 40, LOG_SIZE), (64 << 20, 4 << 20)):
        disk.f_blocks = blocks
        reserve = Reserve(tmp_path)
        assert log_size(tmp_path) == log
        assert reserve.size > log + reserve.commit
        assert reserve.least == reserve.size + log


def test_it_is_made_while_there_is_room_and_used_once(disk, tmp_path):
    reserve = Reserve(tmp_path)
    disk.f_bavail = reserve.least - 1
    assert not reserve.make() and not reserve.use()
    disk.f_bavail += 1
    assert reserve.make() and reserve.make() and reserve.there
    assert (tmp_path / RESERVE_NAME).stat().st_size == disk.made == reserve.size
    disk.f_bavail = 0
    assert Reserve(tmp_path).make(), "that of an earlier process"
    assert reserve.use() and not reserve.use() and not reserve.make()
    assert not (tmp_path / RESERVE_NAME).exists()


def test_a_message_that_is_larger_than_a_commit_needs_its_room_twice(disk, tmp_path):
    """In the log and, when that is copied, in the file: what it leaves is enough for both."""
    reserve = Reserve(tmp_path)
    assert not reserve.suffices(1) and reserve.make()
    large = 60 << 20
    for size, free in ((reserve.commit, 0), (large, 2 * large)):
        disk.f_bavail = free
        assert reserve.suffices(size)
    disk.f_bavail -= 1
    assert not reserve.suffices(large) and not reserve.make(reserve.least_for(large))
    assert reserve.there
    reserve.use()
    disk.f_bavail += reserve.size
    assert not reserve.make(reserve.least_for(large))
    disk.f_bavail += 1
    assert not (tmp_path / RESERVE_NAME).exists() and reserve.make(reserve.least_for(large))


def test_it_stays_on_a_disk_that_has_become_read_only(disk, tmp_path, monkeypatch):
    def refused(path, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    reserve = Reserve(tmp_path)
    assert reserve.make()
    monkeypatch.setattr(Path, "unlink", refused)
    assert not reserve.use() and reserve.there


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_quota_is_a_full_disk(disk, tmp_path, error):
    disk.error = error
    reserve = Reserve(tmp_path)
    assert not reserve.make()
    assert not (tmp_path / RESERVE_NAME).exists()


def test_a_disk_that_can_set_nothing_aside_goes_without(disk, tmp_path):
    disk.error = errno.EOPNOTSUPP
    assert Reserve(tmp_path).make()
    disk.error = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        Reserve(tmp_path).make()
