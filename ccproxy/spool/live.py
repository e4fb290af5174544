"""What an operator does with a spool that a server uses.

It must never hold more in memory than one step of it.
"""

from __future__ import annotations

import asyncio
from functools import partial

from ccproxy.spool import operations
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import SpoolRow
from ccproxy.spool.store import Spool


async def replay(spool: Spool, where: tuple[int, float]) -> int:
    """Send acknowledged runs from a place on again, as new messages; how many those were.

    The limits of the spool hold for them: with `block` this goes on as fast as they are sent.
    """
    last = (await spool.call(lambda file: file.state)).released
    after = await spool.call(partial(operations.first_run, where=where)) - 1
    replayed = 0
    while rows := await spool.call(partial(operations.copies, after=after)):
        for row, _ in rows:
            after = row.id
            if row.id > last:
                return replayed
            if isinstance(row, SpoolRow):
                await _room(spool)
                replayed += spool.offer_again(row.data, row.messages)
    return replayed


async def drop(spool: Spool, to: int | None) -> int:
    """Forget what waits on the disk, up to a run or all of it, and count it as dropped by the
    operator; how many messages. What is on its way to the far side may arrive all the same."""
    while spool.reading:
        await spool.call(bool)
    cursor = spool.cursor
    to = spool.last_run if to is None else min(to, spool.last_run)
    messages = size = 0
    if behind := cursor.end < to:
        spool.reading = True  # so that nothing is read meanwhile
        messages, size = await spool.call(partial(SpoolFile.totals, after=cursor.end, to=to))
        spool.reading = False
    more, bytes = cursor.discard(to)
    if behind:
        cursor.end = cursor.released = to
    messages += more
    spool.dropped["operator"] += messages
    spool.unacknowledged -= min(spool.unacknowledged, messages)
    work = spool.handover.work
    work.released, work.partial = cursor.released, cursor.partial
    spool.gone(messages, size + bytes)
    return messages


def resend(spool: Spool) -> int:
    """Forget which server may have the unacknowledged messages, so that the next connection sends
    them to any; how many those are."""
    spool.server = b""
    return spool.unacknowledged


async def _room(spool: Spool) -> None:
    while spool.blocked:
        room = asyncio.Event()
        spool.wait(room.set)
        await room.wait()
