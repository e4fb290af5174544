"""A program whose spool is full and drops its oldest messages until it is killed: run by tests.

It prints `safe N` when the receipt of message N was told, `sent N` for the last message of what it
has fetched for a line, `released N` before it releases N, and `old FIRST LAST` before messages that
were dropped leave the file.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from ccproxy.core.delivery.store import SAFE, MessageNumber, RunOrigin
from ccproxy.spool.intake import SpoolLimits
from ccproxy.spool.store import Spool
from ccproxy.spool.work import FileOptions
from ccproxy.wire.zmtp.frames import pack
from tests.core.delivery.test_store import names

LINK = b"link with 16 oct"
SIZE = 200_000
"""Bytes of the spool."""


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def saying(cursor):
    """Let a cursor say what it drops."""
    drop = cursor.drop_oldest

    def drop_and_say(written):
        row = drop(written)
        if row is not None:
            found = names([row])
            say("old", found[0], found[-1])
        return row

    cursor.drop_oldest = drop_and_say


async def main(folder, seed):
    chance = random.Random(seed)
    limits, options = SpoolLimits(SIZE, "drop-old"), FileOptions(Path(folder))
    spool = Spool("h:far", limits, None, options)
    await spool.open()
    spool.rewind({})
    saying(spool.cursor)
    origins = await spool.call(lambda file: file.origins())
    offered = safe = max((last for _, _, last in origins), default=0)
    say("opened", offered)
    refused = False

    def told(messages, outcome):
        nonlocal safe
        assert outcome == SAFE, outcome
        safe += messages
        say("safe", safe)

    while True:
        if spool.intake.uncommitted < SIZE // 4 and not refused:
            count = chance.randrange(1, 30)
            first = offered + 1
            data = b"".join(
                pack([b"%d" % number, bytes(chance.choice([1, 200, 3000]))])
                for number in range(first, first + count)
            )
            taken = spool.accept(data, count, RunOrigin(LINK, 1, first), told)
            refused = taken < count  # such an epoch counts no further
            offered += taken
        if chance.random() < 0.1 and (runs := spool.fetch(chance.randrange(1, 20_000))):
            found = names(runs)
            say("sent", found[-1])
            if chance.random() < 0.5:
                say("released", found[-1])
                spool.release(MessageNumber(runs[-1].epoch, runs[-1].last))
        await asyncio.sleep(chance.choice([0, 0, 0.0005]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
