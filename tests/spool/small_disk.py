"""A spool on a disk of its own that it fills; run by `test_small_disk` as root of a namespace.

python -m tests.spool.small_disk FOLDER SCENARIO
"""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ccproxy.core.delivery.store import SAFE
from ccproxy.spool import thread
from ccproxy.spool.reserve import RESERVE_NAME
from tests.spool.test_store import GIB, Told, balanced, last, names, opened, pack, settled, until

SIZE = 100_000


def message(number):
    return pack([b"%03d" % number, bytes([number % 251]) * SIZE])


async def fill(spool, first=0):
    """Offer messages until the disk is full; the number of the next one, and the receipts."""
    told, number = Told(), first
    while "less than" not in spool.intake.problem:
        spool.offer(message(number), 1, told)
        number += 1
        await settled(spool)
    return number, told


async def full(folder):
    """What it holds is sent while it is full, and makes room for what waits; twice."""
    got, number = [], 0
    async with opened(folder) as spool:
        for _ in range(2):
            number, told = await fill(spool, number)
            assert not (folder / RESERVE_NAME).exists()
            safe = len(told)
            while spool.waiting:
                await until(lambda: spool.cursor.ready)
                runs = spool.fetch(GIB)
                got += names(runs)
                spool.release(last(runs))
            await until(lambda: not spool.intake.problem)
            await settled(spool)
            assert (folder / RESERVE_NAME).exists()
            assert got == list(range(number)), got
            assert all(outcome == SAFE for _, outcome in told)
            print(safe, len(told))
        assert balanced(spool)


async def restart(folder):
    """A spool that is closed while its disk is full is opened and emptied on the full disk."""
    async with opened(folder) as spool:
        number, told = await fill(spool)
        safe = len(told)
    # A file of something else takes the room that the end of the log has left.
    with (folder.parent / "other").open("wb", buffering=0) as other, suppress(OSError):
        while True:
            other.write(bytes(4096))
    got = []
    async with opened(folder) as spool:
        assert spool.waiting == safe
        (folder.parent / "other").unlink()
        while spool.waiting:
            await until(lambda: spool.cursor.ready)
            runs = spool.fetch(GIB)
            got += names(runs)
            spool.release(last(runs))
        spool.offer(message(number), 1)
        await until(lambda: names(spool.fetch(GIB)) == [number])
    assert got == list(range(safe))
    print(safe, number)


async def kept(folder):
    """What is kept for a replay gives way to what comes."""
    async with opened(folder, keep_size=GIB) as spool:
        told = Told()
        for number in range(400):
            spool.offer(message(number), 1, told)
            await until(lambda: spool.cursor.ready)
            spool.release(last(spool.fetch(GIB)))
        assert len(told) == 400
        await settled(spool)
        print(await spool.call(lambda file: file.size_to(GIB)))


async def burst(folder):
    """More comes at a time than the disk holds, and messages larger than a commit: they are written
    in parts as what was sent makes room, and the disk is not filled by any of them."""
    got, told = [], Told()
    async with opened(folder) as spool:
        for number in range(310):
            size = 3_000_000 if number % 100 == 50 else SIZE
            spool.put(pack([b"%03d" % number, bytes(size)]), 1, told)
        await until(lambda: "less than" in spool.intake.problem)
        while spool.waiting:
            await until(lambda: spool.cursor.ready)
            runs = spool.fetch(GIB)
            got += names(runs)
            spool.release(last(runs))
        await settled(spool)
        assert got == list(range(310)), got
        assert len(told) == 310 and balanced(spool)
        print(spool.commits)


async def read_only(folder):
    """A disk that may not be written to: it says so, and goes on when it may."""
    async with opened(folder) as spool:
        spool.offer(message(0), 1)
        await settled(spool)
    mount = ["mount", "-o", "remount,ro", folder.parent]
    subprocess.run(mount, check=True)
    try:
        async with opened(folder):
            raise AssertionError("opened")
    except OSError as error:
        print(error.strerror or error)
    subprocess.run([*mount[:2], "remount,rw", folder.parent], check=True)
    async with opened(folder) as spool:
        await until(lambda: names(spool.fetch(GIB)) == [0])


SCENARIOS = {one.__name__: one for one in (full, restart, kept, burst, read_only)}

if __name__ == "__main__":
    thread.PAUSES = (0.01, 0.05)
    asyncio.run(SCENARIOS[sys.argv[2]](Path(sys.argv[1])))
