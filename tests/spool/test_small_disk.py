"""Spools on a real disk that is full or read-only: a tmpfs in a namespace of its own."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = "mount -t tmpfs -o size=24m none %s"


@functools.cache
def why_not(folder):
    """Why no disk can be mounted here; "" if it can."""
    try:
        done = subprocess.run(
            [*UNSHARE, MOUNT % folder], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def run_on_disk(folder, scenario):
    disk = folder / "disk"
    disk.mkdir()
    if reason := why_not(disk):
        pytest.skip(f"no disk can be mounted here: {reason}")
    script = (
        f"{MOUNT % disk} && exec {sys.executable} -m tests.spool.small_disk {disk}/spool {scenario}"
    )
    done = subprocess.run([*UNSHARE, script], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("\n")[:-1]


def test_a_disk_that_the_spool_has_filled_is_emptied_again(tmp_path):
    first, second = run_on_disk(tmp_path, "full")
    assert int(first.split()[0]) > 100
    assert int(second.split()[0]) > 100


def test_a_spool_is_opened_on_a_full_disk(tmp_path):
    [line] = run_on_disk(tmp_path, "restart")
    assert int(line.split()[0]) > 100


def test_what_is_kept_gives_way_on_a_full_disk(tmp_path):
    [kept] = run_on_disk(tmp_path, "kept")
    assert 1_000_000 < int(kept) < 24_000_000


def test_what_comes_at_a_time_may_be_larger_than_the_disk(tmp_path):
    [commits] = run_on_disk(tmp_path, "burst")
    assert int(commits) > 50


def test_a_disk_that_may_not_be_written_is_named(tmp_path):
    [line] = run_on_disk(tmp_path, "read_only")
    assert "ead-only file system" in line
