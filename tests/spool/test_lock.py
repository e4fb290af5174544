"""The lock of a folder, between processes and within one."""

import subprocess
import sys

import pytest

from ccproxy.spool.lock import FolderLock, SpoolInUse

HOLDER = """
import sys, time
from pathlib import Path
from ccproxy.spool.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SpoolInUse, match=rf"is in use by process {holder.pid}$") as used:
            FolderLock(tmp_path)
        assert used.value.holder == holder.pid
        holder.kill()
    FolderLock(tmp_path).release()


def test_another_section_of_the_same_process(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(SpoolInUse, match="another section of this server"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()
