"""The stores of links with acknowledged delivery: in memory, or in a spool on a disk.

It must never lose what waits when a link gets another store.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ccproxy.config.links import LinkOptions
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.spool_settings import SpoolSettings
from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Outbox
from ccproxy.core.sinks import MovedRun
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Kit
from ccproxy.spool.intake import SpoolLimits
from ccproxy.spool.lock import SpoolInUse
from ccproxy.spool.store import Spool
from ccproxy.spool.work import FileOptions
from ccproxy.wire.zmtp.delivery import ID_SIZE

SUCCESSION_INTERVAL = 0.02
"""Seconds between two looks whether the server that is being replaced has closed a spool."""


def new_store(
    outbox: Outbox, options: LinkOptions, log: ServerLog, moved: Sequence[MovedRun] = ()
) -> MemoryStore | Spool:
    """The store that the options of a link ask for; a spool is not open yet. What the link had in
    another store, and what waits in the outbox, goes into it, whatever its limits are."""
    settings = options.spooled
    if settings is None:
        store = MemoryStore(outbox, os.urandom(ID_SIZE), random.getrandbits(64))
        for run in moved:
            store.put(*run)
        return store
    spool = Spool(outbox.name, *_parts(settings, outbox.memory))
    spool.on_problem = lambda problem: _say(log, spool, problem)
    spool.on_damage = lambda damage: log.error("spool link=%s: %s", spool.name, damage)
    for run in moved:
        spool.put(*run)
    for chunk, messages in outbox.take_unsent(sys.maxsize):
        spool.put(chunk, messages)
    outbox.clear("gone")  # a message that was sent in part may have been refused
    return spool


def suits(store: MemoryStore | Spool, options: LinkOptions) -> bool:
    """True if a store does for these options, reconfigured."""
    settings = options.spooled
    if isinstance(store, Spool):
        return settings is not None and store.options.folder == Path(settings.folder)
    return settings is None


def reconfigure(store: MemoryStore | Spool, options: LinkOptions) -> None:
    """Use new options that a store suits; the limits of one in memory are those of its outbox."""
    if isinstance(store, Spool) and options.spooled is not None:
        limits, _, files = _parts(options.spooled, store.memory)
        store.reconfigure(limits, files)


def leave(store: MemoryStore | Spool, log: ServerLog, options: LinkOptions) -> list[MovedRun]:
    """A link goes on without its store, with these options; what is for its next one. What waits in
    memory waits in the outbox again if there will be no spool; what is in a spool stays there, and
    what one holds that never was open goes along."""
    if isinstance(store, Spool):
        held = store.take_unsent(sys.maxsize)
        store.close("unused")
        say_kept(store, log)
        return held
    if options.spooled is not None:
        return store.move_out()
    store.withdraw()
    return []


async def open_spool(spool: Spool, kit: Kit, waits: Callable[[str], None]) -> None:
    """Open a spool, as soon as the server that is being replaced has let go of it; `waits` is told
    while it has not. OSError if it cannot be opened."""
    before = kit.neighbours.before
    while True:
        try:
            await spool.open(before)
            break
        except SpoolInUse as error:
            if error.holder != before:
                raise
            waits(str(error))
            await asyncio.sleep(SUCCESSION_INTERVAL)
    kit.log.info(
        "spool open link=%s folder=%s messages=%d", spool.name, spool.options.folder, spool.waiting
    )
    if spool.damage:
        kit.log.error("spool link=%s: %s", spool.name, spool.damage)


def say_kept(spool: Spool, log: ServerLog) -> None:
    """Say what a spool still holds when its link is over."""
    if spool.waiting:
        log.warning(
            "kept in spool link=%s messages=%d folder=%s", spool.name, spool.waiting,
            spool.options.folder,
        )  # fmt: skip


def _parts(settings: SpoolSettings, memory: Memory) -> tuple[SpoolLimits, Memory, FileOptions]:
    limits = SpoolLimits(settings.size, settings.policy)
    folder = Path(settings.folder)
    files = FileOptions(folder, settings.full, settings.keep_size, settings.keep_time)
    return limits, memory, files


def _say(log: ServerLog, spool: Spool, problem: str) -> None:
    if problem:
        log.warning("spool cannot be written link=%s: %s", spool.name, problem)
    else:
        log.info("spool can be written again link=%s", spool.name)
