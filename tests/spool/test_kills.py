"""kill -9 at any moment: what was told as safe is there, in order, and nothing is doubled."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.delivery.test_store import names
from tests.spool import killed_full
from tests.spool.killed import LINK
from tests.spool.test_store import GIB, opened, until

ROOT = Path(__file__).parents[2]
KILLS = 12


def run_until_killed(folder, sync, seed):
    """Let the program work for some lines, kill it, and return what it has said: the last number
    of each word."""
    chance = random.Random(seed)
    command = [sys.executable, "-m", "tests.spool.killed", folder, sync, str(seed)]
    return dict(said_until_killed(command, chance.randrange(1, 120)))


def said_until_killed(command, lines):
    """Kill a program when it has said so many lines; each line as a word and numbers."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as program:
        said = [program.stdout.readline() for _ in range(lines)]
        program.kill()
        said += program.stdout.readlines()
    assert program.returncode == -9
    words = [line.decode().split() for line in said if line.endswith(b"\n")]
    assert words[0][0] == "opened", said
    return [(word, *map(int, numbers)) for word, *numbers in words]


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


async def rows(folder):
    """The messages in a spool, in order, the numbers of what its counts say, and the last number of
    their origin."""
    async with opened(folder, size=killed_full.SIZE, policy="drop-old") as spool:
        assert spool.damage == ""
        found = await spool.call(lambda file: list(file.rows(file.state.released)))
        origins = await spool.call(lambda file: file.origins())
        state = await spool.call(lambda file: file.state)
        got = [name for row in found for name in names([row])]
        if state.partial:
            got = got[state.partial - found[0].first + 1 :]
        assert (len(got), sum(row.size for row in found)) == (state.messages, state.size)
        return got, {link: last for link, _, last in origins}.get(LINK, 0)


async def test_of_a_full_spool_nothing_is_gone_that_was_safe_and_not_dropped(tmp_path):
    gone, safe, dropped = set(), 0, 0
    for kill in range(KILLS // 2):
        program = [sys.executable, "-m", "tests.spool.killed_full", tmp_path / "spool", str(kill)]
        words = said_until_killed(program, random.Random(kill).randrange(1, 400))
        got, last = await rows(tmp_path / "spool")
        assert got == sorted(set(got)), kill
        sent = 0
        for word, *numbers in words:
            first, end = (numbers[0], numbers[-1]) if word == "old" else (1, numbers[0])
            if word in ("old", "released"):
                gone.update(range(first, end + 1))
            elif word in ("safe", "opened"):
                safe = max(safe, end)
            elif word == "sent":
                sent = end
            if word == "old":
                assert first > sent, (kill, first, sent)
                dropped += 1
        assert last >= safe, (kill, words)
        missing = set(range(1, safe + 1)) - gone - set(got)
        assert not missing, (kill, sorted(missing)[:10])
    assert dropped > KILLS
