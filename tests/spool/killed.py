"""A program that uses a spool until it is killed, and says what it believes: run by tests.

It prints `safe N` when the receipt of message N was told, and `released N` before it releases N.
"""

import asyncio
import os
import random
import sys
from itertools import pairwise
from pathlib import Path

from ccproxy.core.delivery.store import SAFE, MessageNumber, RunOrigin
from ccproxy.spool.intake import SpoolLimits
from ccproxy.spool.store import Spool
from ccproxy.spool.work import FileOptions
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack

LINK = b"link with 16 oct"


def say(word, number):
    os.write(1, f"{word} {number}\n".encode())


async def main(folder, full, seed):
    chance = random.Random(seed)
    spool = Spool(
        "h:far",
        SpoolLimits(1 << 30),
        None,
        FileOptions(Path(folder), full, keep_size=chance.choice([0, 100_000])),
    )
    await spool.open()
    spool.rewind({})
    origins = await spool.call(lambda file: file.origins())
    offered = max((last for _, _, last in origins), default=0)
    say("opened", offered)
    safe = offered

    def told(messages, outcome):
        nonlocal safe
        assert outcome == SAFE, outcome
        safe += messages
        say("safe", safe)

    while True:
        if spool.waiting < 3000:
            count = chance.randrange(1, 50)
            first = offered + 1
            data = b"".join(
                pack([b"%d" % number, bytes(chance.choice([1, 200, 3000]))])
                for number in range(first, first + count)
            )
            spool.accept(data, count, RunOrigin(LINK, 1, first), told)
            offered += count
        if chance.random() < 0.5 and (runs := spool.fetch(chance.randrange(1, 500_000))):
            run = runs[-1]
            ends = [0, *boundaries(run.data)]
            most = chance.randrange(1, run.messages + 1)
            start, end = list(pairwise(ends))[most - 1]
            say("released", int(unpack(run.data[start:end])[0]))
            spool.release(MessageNumber(run.epoch, run.first + most - 1))
            if most < run.messages:
                spool.rewind({})
        await asyncio.sleep(chance.choice([0, 0, 0.0005]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] == "full", int(sys.argv[3])))
