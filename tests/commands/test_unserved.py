"""Spools that sections have left, beside those that they have."""

import os
import shutil
from dataclasses import replace

import pytest

from ccproxy.commands.environment import environment_problems
from ccproxy.commands.unserved import unserved_spools
from ccproxy.config.build import build
from ccproxy.plugins import Plugins
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.rows import Numbering, OfferedRun
from ccproxy.spool.schema import FILE_NAME, SpoolCommit
from ccproxy.wire.zmtp.frames import pack


def spool(folder, messages, closed=True):
    """A spool with so many messages that wait; `closed` in order, or as a kill leaves it."""
    folder.mkdir()
    file = SpoolFile(folder, os.urandom(16))
    rows = list(Numbering(1, 7).rows([OfferedRun(pack([b"x"]), 1)] * messages, 1.0))
    size = sum(row.size for row in rows)
    now = replace(file.state, last=messages, messages=messages, size=size)
    file.write(SpoolCommit(now, rows))
    if closed:
        file.close()
        return folder
    copy = shutil.copytree(folder, folder.with_name("killed"))
    file.close()
    shutil.rmtree(folder)
    return copy.rename(folder)


@pytest.mark.parametrize("closed", [True, False])
def test_a_spool_of_no_section_is_named_with_what_it_holds(tmp_path, closed):
    served, left = spool(tmp_path / "served", 1), spool(tmp_path / "left", 3, closed)
    spool(tmp_path / "empty", 0)
    [said] = unserved_spools([str(served)])
    assert said == f"{left} holds 3 messages, and no section has this spool"
    assert not list(unserved_spools([str(served), str(left)]))
    assert not list(unserved_spools(["relative"]))
    assert closed or (left / f"{FILE_NAME}-wal").stat().st_size, "it was read, not changed"
    lock = FolderLock(left)
    assert not list(unserved_spools([str(served)])), "another process may have it"
    lock.release()
    file = SpoolFile(left, b"")
    assert (file.state.messages, file.lost_log) == (3, False)
    file.close()
    (left / FILE_NAME).write_bytes(b"damaged" * 1000)
    [said] = unserved_spools([str(served)])
    assert said.startswith(f"{left} cannot be read (")


def test_check_warns_of_it(tmp_path):
    spool(tmp_path / "left", 3)
    file = tmp_path / "x.ini"
    file.write_text(
        "[ccserver]\ncc-socket = tcp://127.0.0.1:1\ncc-role = local\n[routes]\na = h:far\n"
        "[h:far]\nhandler = proxy\nremote-cc = tcp://127.0.0.1:2\ndelivery = acknowledged\n"
        f"spool = {tmp_path}/served\n"
    )
    plan, problems = build(str(file), {}, Plugins())
    assert not problems
    found = [one for one in environment_problems(plan) if "no section has this spool" in str(one)]
    assert [one.warning for one in found] == [True]
