"""Which store a link has, and what becomes of messages when it gets another one."""

import logging
import os
from types import SimpleNamespace

import pytest

from ccproxy.config.spools import SpoolOptions
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import MessageNumber, RunOrigin
from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Neighbours
from ccproxy.net.zmtp import stores
from ccproxy.spool.lock import FolderLock, SpoolInUse
from ccproxy.spool.store import Spool
from tests.core.delivery.test_store import chunk, names
from tests.spool.test_store import GIB, settled

LOG = ServerLog(lambda: 0.0)


@pytest.fixture
def outbox():
    return Outbox("h:far", Limits(), memory=Memory())


def options(folder="", **others):
    return SpoolOptions(delivery="acknowledged", spool=str(folder), **others)


def test_without_a_folder_messages_wait_in_memory(outbox):
    store = stores.new_store(outbox, options(), LOG)
    assert isinstance(store, MemoryStore)
    assert stores.suits(store, options()) and not stores.suits(store, options("/x"))
    outbox.offer(chunk(1), 1)
    assert stores.leave(store, LOG, options()) == []
    assert outbox.waiting == 1


async def test_receipts_of_what_was_in_memory_wait_until_the_spool_has_it(outbox, tmp_path):
    """A spool that is smaller drops none of it, and senders that waited for room look again."""
    told, went = [], []
    outbox.reconfigure(Limits(100, policy="block"))
    memory = stores.new_store(outbox, options(), LOG)
    for number in range(30):
        memory.put(chunk(number), 1, lambda *one: told.append(one))
    [first, *_] = memory.fetch(1)
    memory.release(MessageNumber(memory.opening, first.first))
    memory.wait(lambda: went.append(1))
    moved = stores.leave(memory, LOG, options(tmp_path))
    spool = stores.new_store(outbox, options(tmp_path, spool_size=100), LOG, moved)
    assert (told, went) == ([(1, "safe")], [1])
    assert (outbox.waiting, outbox.queued, outbox.sent, spool.waiting) == (0, 1, 1, 29)
    await spool.open()
    await settled(spool)
    assert sum(count for count, _ in told) == 30 and {outcome for _, outcome in told} == {"safe"}
    assert names(spool.fetch(GIB)) == [*range(1, 30)]
    spool.close("stop")
    await spool.closed()


async def test_what_waited_in_memory_goes_into_the_spool(outbox, tmp_path):
    outbox.offer(chunk(1, 2), 2)
    store = stores.new_store(outbox, options(tmp_path), LOG)
    assert isinstance(store, Spool) and store.name == "h:far"
    assert (outbox.waiting, outbox.queued, store.waiting) == (0, 0, 2)
    await store.open()
    await settled(store)
    assert names(store.fetch(GIB)) == [1, 2]
    store.close("stop")
    await store.closed()


async def test_the_spool_of_a_server_that_is_replaced_is_waited_for(outbox, tmp_path, monkeypatch):
    """Senders wait meanwhile, also with a policy by which a spool that cannot be opened refuses."""
    lock = FolderLock(tmp_path)
    store = stores.new_store(outbox, options(tmp_path, on_full="drop-new"), LOG)
    kit = SimpleNamespace(neighbours=Neighbours(before=1), log=LOG)
    with pytest.raises(SpoolInUse):
        await stores.open_spool(store, kit, print)
    assert not store.blocked and store.offer(chunk(1), 1) == 0
    store = stores.new_store(outbox, options(tmp_path, on_full="drop-new"), LOG)
    kit.neighbours.before = os.getpid()
    waited = []

    def waits(why):
        assert "is in use" in why and store.blocked
        assert store.offer(chunk(len(waited)), 1) == 1
        waited.append(why)
        if len(waited) == 2:
            lock.release()

    await stores.open_spool(store, kit, waits)
    await settled(store)
    assert names(store.fetch(GIB)) == [0, 1]
    store.close("stop")
    await store.closed()


@pytest.mark.parametrize("folder", ["", "other"])
async def test_what_an_unopened_spool_holds_goes_to_the_next_store(outbox, tmp_path, folder):
    lock, told = FolderLock(tmp_path), []
    spool = stores.new_store(outbox, options(tmp_path, on_full="drop-new"), LOG)
    with pytest.raises(SpoolInUse):
        await spool.open()
    spool.accept(chunk(1, 2), 2, RunOrigin(bytes(16), 5, 1), lambda *one: told.append(one))
    following = options(folder and tmp_path / folder)
    moved = stores.leave(spool, LOG, following)
    await spool.closed()
    store = stores.new_store(outbox, following, LOG, moved)
    assert store.waiting == 2 and not spool.dropped
    assert told == [(0, "held"), (0, "taken")]
    if folder:
        await store.open()
        await settled(store)
        store.close("stop")
        await store.closed()
        assert told[2:] == [(2, "safe")]
    lock.release()


async def test_a_spool_suits_its_folder_and_takes_new_options(outbox, tmp_path):
    store = stores.new_store(outbox, options(tmp_path), LOG)
    await store.open()
    assert stores.suits(store, options(f"{tmp_path}/", spool_size=1 << 20))
    assert not stores.suits(store, options(tmp_path / "other"))
    assert not stores.suits(store, options())
    stores.reconfigure(store, options(tmp_path, spool_size=1 << 20, spool_sync="normal"))
    assert (store.intake.limits.size, store.options.full) == (1 << 20, False)
    store.close("stop")
    await store.closed()


async def test_what_stays_in_a_spool_is_said(outbox, tmp_path, caplog):
    store = stores.new_store(outbox, options(tmp_path), LOG)
    await store.open()
    store.offer(chunk(1, 2), 2)
    with caplog.at_level(logging.INFO, "CCServer"):
        stores.leave(store, LOG, options())
        await store.closed()
        store.on_problem("disk I/O error")
        store.on_problem("")
    assert [one.getMessage() for one in caplog.records] == [
        f"kept in spool link=h:far messages=2 folder={tmp_path}",
        "spool cannot be written link=h:far: disk I/O error",
        "spool can be written again link=h:far",
    ]
