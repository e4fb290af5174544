"""The thread of a spool: how it starts, what it does when it cannot, and with damaged files."""

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ccproxy.core.delivery.store import SAFE, MessageNumber
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.schema import FILE_NAME, PAGE_SIZE
from ccproxy.spool.thread import LOG_LOST
from ccproxy.wire.zmtp.frames import pack
from tests.core.delivery.test_store import balanced, chunk, names
from tests.spool.test_store import GIB, last, opened, settled, until

ROOT = Path(__file__).parents[2]


async def filled(folder, count=40, size=30_000):
    async with opened(folder) as spool:
        for name in range(count):
            spool.offer(pack([b"%03d" % name, bytes([name]) * size]), 1)
            await settled(spool)
    return folder / FILE_NAME


async def received(spool, count):
    got = []
    while len(got) < count:
        await until(lambda: spool.cursor.ready)
        got += names(spool.fetch(GIB))
    return got


async def test_a_file_that_was_cut_is_put_aside_and_what_is_readable_is_sent(tmp_path):
    path = await filled(tmp_path)
    with path.open("r+b") as raw:
        raw.truncate(path.stat().st_size // 2)
    async with opened(tmp_path) as spool:
        count = spool.waiting
        assert 5 < count < 40
        assert spool.damage == (
            f"damaged: {count} messages were read, {40 - count} lost; see {tmp_path}/damaged-1"
        )
        assert await received(spool, count) == sorted(range(count))
        spool.offer(chunk(41), 1)
        await settled(spool)
        assert names(spool.fetch(GIB)) == [41]


@pytest.mark.parametrize("seed", range(6))
async def test_pages_of_random_octets_at_the_start(tmp_path, seed):
    random.seed(seed)
    path = await filled(tmp_path)
    with path.open("r+b") as raw:
        for _ in range(4):
            raw.seek(random.randrange(1, path.stat().st_size // PAGE_SIZE) * PAGE_SIZE)
            raw.write(random.randbytes(PAGE_SIZE))
    async with opened(tmp_path) as spool:
        await until(lambda: not spool.reading)
        got = []
        while spool.cursor.ready or spool.reading:
            await until(lambda: spool.cursor.ready or not spool.reading)
            got += names(spool.fetch(GIB))
        assert got == sorted(set(got)) and set(got) <= set(range(40))
        assert spool.damage
        assert len(got) == spool.waiting
        spool.release(MessageNumber(spool.cursor.taken[-1].epoch, 40)) if got else None
        assert spool.waiting == 0 and balanced(spool)


async def test_pages_of_random_octets_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.spool.store.MOST_READY", 2)
    monkeypatch.setattr("ccproxy.spool.store.READ_SIZE", 1)
    path = await filled(tmp_path, 200)
    async with opened(tmp_path) as spool:
        await until(lambda: spool.cursor.ready)
        size = path.stat().st_size
        with path.open("r+b") as raw:
            raw.seek(size // 3 // PAGE_SIZE * PAGE_SIZE)
            raw.write(random.Random(1).randbytes(size // 3))
        got = []
        spool.offer(pack([b"999", bytes(9)]), 1)
        while spool.cursor.end < spool.last_run or spool.reading or spool.cursor.ready or not got:
            await asyncio.sleep(0)
            runs = spool.fetch(1)
            got += names(runs)
            if runs:
                spool.release(last(runs))
        await until(lambda: spool._items == 0)
        await until(lambda: spool.waiting == 0 or spool.cursor.ready)
        got += names(spool.fetch(GIB))
        assert got == sorted(set(got))
        assert 50 < len(got) < 201
        assert spool.dropped["damaged"] >= 201 - len(got)
        assert balanced(spool)


async def test_a_log_that_was_removed_is_named(tmp_path):
    async with opened(tmp_path) as spool:
        spool.offer(chunk(1), 1)
        await settled(spool)
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / FILE_NAME).write_bytes((tmp_path / FILE_NAME).read_bytes())
    async with opened(copy) as spool:
        assert (spool.damage, spool.waiting) == (LOG_LOST, 0)
    async with opened(copy) as spool:
        assert spool.damage == ""


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        async with opened(tmp_path / "file" / "spool"):
            pass


async def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(OSError, match=f"Is a directory.*{FILE_NAME}"):
        async with opened(tmp_path):
            pass
    (tmp_path / FILE_NAME).rmdir()
    async with opened(tmp_path):  # the lock was not left behind
        pass


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from tests.spool.test_store import *
from ccproxy.spool import thread
thread.PAUSES = (0.01, 0.05)

async def main(folder):
    async with opened(folder) as spool:
        problems, told = [], Told()
        spool.on_problem = problems.append
        spool.offer(chunk(*range(1000)), 1000, told)
        await settled(spool)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        body = pack([b"100", bytes(100_000)])
        for _ in range(5):
            spool.offer(body, 1, told)
        await until(lambda: problems)
        assert names(spool.fetch(GIB)) == list(range(1000))
        print(problems[0], len(told) < 6, spool.waiting)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        await until(lambda: len(told) == 6)
        await until(lambda: problems[-1] == "")
        print(sum(n for n, outcome in told if outcome == SAFE), spool.waiting)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_file_that_may_not_grow_is_written_when_it_may_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], cwd=ROOT, capture_output=True, text=True,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first in ("disk I/O error True 1005", "database or disk is full True 1005")
    assert second == "1005 1005"


@pytest.mark.parametrize("what", [FILE_NAME, ""])
async def test_a_file_that_is_removed_is_written_once_more(tmp_path, what, monkeypatch):
    """Twice, and one that was closed afterwards is what a later server finds."""
    monkeypatch.setattr("ccproxy.spool.renewal.BATCH_SIZE", 1)
    folder, told, damage = tmp_path / "spool", [], []
    async with opened(folder, keep_size=GIB) as spool:
        spool.on_damage = damage.append
        for name in range(1, 5):
            spool.offer(chunk(name), 1, lambda *one: told.append(one))
            await settled(spool)
        link, epoch = spool.link, spool.opening
        spool.fetch(GIB)
        spool.release(MessageNumber(epoch, 2))
        await settled(spool)
        for name in (5, 6):
            victim = folder / what
            victim.unlink() if what else shutil.rmtree(victim)
            spool.offer(chunk(name), 1, lambda *one: told.append(one))
            await until(lambda name=name: len(told) == name)
        assert damage == [
            "removed in use, times=1: 2 messages were written once more, 0 lost",
            "removed in use, times=2: 5 messages were written once more, 0 lost",
        ]
        assert names(spool.fetch(GIB)) == [5, 6]
        spool.release(MessageNumber(epoch, 3))
        with pytest.raises(OSError, match="in use by another section"):
            async with opened(folder):
                pass
        await settled(spool)
        assert balanced(spool)
    assert told == [(1, SAFE)] * 6
    async with opened(folder) as spool:
        assert (spool.link, spool.damage, spool.waiting) == (link, "", 3)
        assert await received(spool, 3) == [4, 5, 6]


async def test_a_file_that_is_replaced_takes_no_more_and_what_it_held_is_sent(tmp_path):
    folder, told = tmp_path / "spool", []
    async with opened(folder, policy="drop-new") as spool:
        spool.offer(chunk(1), 1, lambda *one: told.append(one))
        await settled(spool)
        (folder / FILE_NAME).unlink()
        (folder / FILE_NAME).touch()
        spool.offer(chunk(2), 1, lambda *one: told.append(one))
        await until(lambda: spool.intake.problem)
        assert "was replaced by another file" in spool.intake.problem
        assert spool.offer(chunk(3), 1) == 0
        assert told == [(1, SAFE)]
        assert names(spool.fetch(GIB)) == [1]
        await spool.call(lambda file: None)
    assert told == [(1, SAFE), (1, "stop")]
    assert balanced(spool)


async def test_a_folder_that_cannot_be_made_again_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.spool.thread.PAUSES", (0.01, 0.01))
    folder, told = tmp_path / "disk" / "spool", []
    async with opened(folder) as spool:
        spool.offer(chunk(1), 1, lambda *one: told.append(one))
        await settled(spool)
        shutil.rmtree(tmp_path / "disk")
        spool.offer(chunk(2), 1, lambda *one: told.append(one))
        await until(lambda: "was removed with its disk" in spool.intake.problem)
        assert told == [(1, SAFE)] and spool.commits > 0 and spool.failures > 0
        (tmp_path / "disk").mkdir()
        await until(lambda: len(told) == 2)
        await settled(spool)
        assert spool.intake.problem == ""
    async with opened(folder) as spool:
        assert await received(spool, 2) == [1, 2]


def refused_write(file, change):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    raise error


def refused_unlink(path, missing_ok=False):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


async def test_a_disk_that_is_read_only_for_some_time_holds_up_its_spool(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.spool.thread.PAUSES", (0.01, 0.01))
    told = []
    async with opened(tmp_path) as spool:
        spool.offer(chunk(1), 1, lambda *one: told.append(one))
        await settled(spool)
        with monkeypatch.context() as disk:
            disk.setattr(SpoolFile, "write", refused_write)
            disk.setattr(Path, "unlink", refused_unlink)
            spool.offer(chunk(2), 1, lambda *one: told.append(one))
            await until(lambda: spool.failures > 2)
            assert (spool.intake.problem, told) == ("disk I/O error", [(1, SAFE)])
        await until(lambda: len(told) == 2)
        await settled(spool)
        assert (spool.intake.problem, balanced(spool)) == ("", True)
    async with opened(tmp_path) as spool:
        assert await received(spool, 2) == [1, 2]


@pytest.mark.parametrize("where", ["_write", "_gather", "_tidy", "_failed"])
async def test_a_mistake_in_the_thread_is_said_and_what_waits_is_tried_again(
    tmp_path, monkeypatch, where
):
    """Whatever fails there that nobody has thought of; the thread must never end by it."""
    monkeypatch.setattr("ccproxy.spool.thread.PAUSES", (0.01, 0.01))
    monkeypatch.setattr("ccproxy.spool.thread.TIDY_INTERVAL", 0.0)
    raised, told = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: raised.append(what))
    async with opened(tmp_path) as spool:
        with monkeypatch.context() as mistake:
            mistake.setattr(f"ccproxy.spool.thread.SpoolThread.{where}", mistaken)
            if where == "_failed":
                mistake.setattr(SpoolFile, "write", refused_write)
            spool.offer(chunk(1), 1, lambda *one: told.append(one))
            await until(lambda: spool.failures > 1)
            assert spool.intake.problem == "LookupError('nobody thought of this')"
        await until(lambda: told)
        await until(lambda: not spool.intake.problem)
        assert (told, balanced(spool)) == ([(1, SAFE)], True)
        assert {one["message"] for one in raised} == {f"spool {tmp_path}"}
    async with opened(tmp_path) as spool:
        assert await received(spool, 1) == [1]


async def test_a_mistake_in_the_thread_holds_up_no_stop(tmp_path, monkeypatch):
    told = []
    async with opened(tmp_path) as spool:
        await settled(spool)
        monkeypatch.setattr("ccproxy.spool.thread.SpoolThread._write", mistaken)
        spool.offer(chunk(1), 1, lambda *one: told.append(one))
    assert told == [(1, "stop")] and balanced(spool)


def mistaken(*_):
    raise LookupError("nobody thought of this")


async def test_a_log_that_is_removed_in_use_is_made_again(tmp_path):
    """What was in it is in the file before more is told as safe."""
    told = []
    async with opened(tmp_path) as spool:
        for name in (1, 2, 3):
            spool.offer(chunk(name), 1, lambda *one: told.append(one))
            await until(lambda name=name: len(told) == name)
            if name == 2:
                (tmp_path / f"{FILE_NAME}-wal").unlink()
        copy = tmp_path / "copy"
        copy.mkdir()
        for one in tmp_path.glob(f"{FILE_NAME}*"):
            shutil.copy(one, copy)
    assert told == [(1, SAFE)] * 3
    async with opened(copy) as spool:
        assert (spool.damage, await received(spool, 3)) == ("", [1, 2, 3])
