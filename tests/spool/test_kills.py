"""kill -9 at any moment: what was told as safe is there, in order, and nothing is doubled."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.delivery.test_store import names
from tests.spool.killed import LINK
from tests.spool.test_store import GIB, opened, until

ROOT = Path(__file__).parents[2]
KILLS = 12


def run_until_killed(folder, sync, seed):
    """Let the program work for some lines, kill it, and return what it has said: the last number
    of each word."""
    chance = random.Random(seed)
    command = [sys.executable, "-m", "tests.spool.killed", folder, sync, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as program:
        said = [program.stdout.readline() for _ in range(chance.randrange(1, 120))]
        program.kill()
        said += program.stdout.readlines()
    assert program.returncode == -9
    words = [line.split() for line in said if line.endswith(b"\n")]
    assert words[0][0] == b"opened", said
    return {word.decode(): int(number) for word, number in words}


async def held(folder):
    """The numbers of the messages in a spool, and the last one of their origin."""
    async with opened(folder) as spool:
        assert spool.damage == ""
        origins = await spool.call(lambda file: file.origins())
        got = []
        while len(got) < spool.queued:
            await until(lambda: spool.cursor.ready)
            got += names(spool.fetch(GIB))
        return got, {link: last for link, _, last in origins}.get(LINK, 0)


@pytest.mark.parametrize("sync", ["full", "normal"])
async def test_a_process_is_killed_again_and_again(tmp_path, sync):
    safe = released = 0
    for kill in range(KILLS):
        said = run_until_killed(tmp_path / "spool", sync, kill)
        safe = max(safe, said.get("safe", 0), said["opened"])
        released = max(released, said.get("released", 0))
        got, last = await held(tmp_path / "spool")
        assert last >= safe, (kill, said)
        if got:
            assert got == list(range(got[0], got[-1] + 1)), kill
            assert got[0] <= released + 1 and got[-1] == last, (kill, said, got[0], got[-1])
        else:
            assert released >= safe, (kill, said)
    assert safe > 100
