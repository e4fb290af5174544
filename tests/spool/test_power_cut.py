"""A power cut: what was told as safe is there after it with `full`; what `normal` may lose."""

import asyncio
import random

import pytest

from ccproxy.core.delivery.store import SAFE, MessageNumber, RunOrigin
from ccproxy.wire.zmtp.frames import pack
from tests.core.delivery.test_store import names
from tests.spool.test_store import GIB, opened, settled, until

disk_module = pytest.importorskip(
    "tests.spool.disk", reason="apsw is not installed", exc_type=ImportError
)
LINK = b"link with 16 oct"


@pytest.fixture
def disk(monkeypatch):
    made = disk_module.Disk()
    monkeypatch.setattr("ccproxy.spool.file.connected", made.connected)
    yield made
    made.unregister()


class Sender:
    """Offers numbered messages, and knows which are safe and which the far side has."""

    def __init__(self, spool, chance):
        self.spool, self.chance = spool, chance
        self.offered = self.safe = self.released = 0

    def offer(self):
        count = self.chance.randrange(1, 40)
        first = self.offered + 1
        data = b"".join(
            pack([b"%06d" % number, bytes(self.chance.choice([1, 200, 9000]))])
            for number in range(first, first + count)
        )
        assert self.spool.accept(data, count, RunOrigin(LINK, 1, first), self.told) == count
        self.offered += count

    def told(self, messages, outcome):
        assert outcome == SAFE
        self.safe += messages

    def deliver(self):
        runs = self.spool.fetch(self.chance.randrange(1, 300_000))
        if runs:
            self.released += sum(run.messages for run in runs)
            self.spool.release(MessageNumber(runs[-1].epoch, runs[-1].last))

    async def work(self, rounds):
        for _ in range(rounds):
            self.chance.choice([self.offer, self.offer, self.deliver])()
            await asyncio.sleep(0)
            if self.chance.random() < 0.3:
                await settled(self.spool)


async def found(folder):
    """The numbers of what a spool holds after a cut, and the last number of the origin."""
    async with opened(folder) as spool:
        assert spool.damage == ""
        origins = await spool.call(lambda file: file.origins())
        got = []
        while len(got) < spool.queued:
            await until(lambda: spool.cursor.ready)
            got += names(spool.fetch(GIB))
        return got, dict((link, last) for link, _, last in origins).get(LINK, 0)


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_that_was_told_as_safe_is_lost_with_full(disk, tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    cuts = []
    async with opened(tmp_path / "spool") as spool:
        sender = Sender(spool, chance)
        for number in range(12):
            await sender.work(chance.randrange(1, 15))
            safe = sender.safe
            disk.cut(tmp_path / f"cut-{number}", chance.choice([0, 0.5, 0.95]), seed)
            cuts.append((number, safe, sender.released, sender.offered))
    monkeypatch.undo()
    for number, safe, released, offered in cuts:
        got, last = await found(tmp_path / f"cut-{number}")
        if safe <= released:
            assert last >= safe
        else:
            assert got[0] <= released + 1 and safe <= got[-1] <= offered
            assert got == list(range(got[0], got[-1] + 1))
            assert last == got[-1]


async def test_normal_may_lose_the_last_commits_and_nothing_else(disk, tmp_path, monkeypatch):
    async with opened(tmp_path / "spool", full=False) as spool:
        sender = Sender(spool, random.Random(1))
        for _ in range(40):
            sender.offer()
            await settled(spool)
        await until(lambda: sender.safe == sender.offered)
        disk.cut(tmp_path / "cut", kept=0)
    monkeypatch.undo()
    got, last = await found(tmp_path / "cut")
    assert len(got) < sender.safe  # the docs say so
    assert got == list(range(1, len(got) + 1))
    assert last == len(got)


async def test_a_sync_that_fails_is_not_told_as_safe_and_is_made_good(disk, tmp_path, monkeypatch):
    async with opened(tmp_path / "spool") as spool:
        sender, problems = Sender(spool, random.Random(2)), []
        monkeypatch.setattr("ccproxy.spool.thread.PAUSES", (0.01, 0.02))
        spool.on_problem = problems.append
        sender.offer()
        await until(lambda: sender.safe)
        safe = sender.safe
        disk.failing["sync"] = disk_module.apsw.SQLITE_IOERR_FSYNC
        sender.offer()
        await until(lambda: problems)
        assert "disk I/O error" in problems[0] or "IOError" in problems[0]
        sender.offer()
        assert sender.safe == safe
        del disk.failing["sync"]
        await until(lambda: sender.safe == sender.offered)
        assert problems[-1] == ""
        disk.cut(tmp_path / "cut", kept=0)
    monkeypatch.undo()
    got, last = await found(tmp_path / "cut")
    assert got == list(range(1, sender.offered + 1))
    assert last == sender.offered


@pytest.mark.parametrize("policy", ["block", "drop-new", "drop-old"])
async def test_a_full_disk(disk, tmp_path, monkeypatch, policy):
    """What is in the file goes on to be sent; new messages wait or are refused by the policy."""
    monkeypatch.setattr("ccproxy.spool.thread.PAUSES", (0.01, 0.02))
    async with opened(tmp_path / "spool", policy=policy) as spool:
        sender, problems = Sender(spool, random.Random(3)), []
        spool.on_problem = problems.append
        for _ in range(5):
            sender.offer()
            await settled(spool)
        disk.failing["write"] = disk_module.apsw.SQLITE_FULL
        sender.offer()
        await until(lambda: problems)
        before = sender.offered
        safe = sender.safe
        assert spool.offer(pack([b"x"]), 1) == (1 if policy == "block" else 0)
        assert dict(spool.dropped) == ({} if policy == "block" else {"failed": 1})
        got = names(spool.fetch(GIB))
        assert got == list(range(1, safe + 1))
        spool.release(MessageNumber(spool.opening, 3))
        del disk.failing["write"]
        await until(lambda: sender.safe == before)
        await until(lambda: problems[-1] == "")
        await settled(spool)
        spool.rewind({})
        assert spool.waiting == before - 3 + (policy == "block")
    monkeypatch.undo()


async def test_what_could_not_be_written_at_the_end_is_told(disk, tmp_path, monkeypatch):
    told = []
    async with opened(tmp_path / "spool") as spool:
        await settled(spool)
        disk.failing["write"] = disk_module.apsw.SQLITE_FULL
        spool.offer(pack([b"x"]), 1, lambda *one: told.append(one))
        spool.close("stop")
        await spool.closed()
        await asyncio.sleep(0)
        assert told == [(1, "stop")]
        assert (dict(spool.dropped), spool.waiting) == ({"stop": 1}, 0)
        disk.failing.clear()
