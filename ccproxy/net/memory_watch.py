"""Watches the account of memory while it is tight: says so, and lets it go on from time to time.

It must never decide which connection has to wait, or goes: that is `core.memory`.
"""

from __future__ import annotations

import asyncio

from ccproxy.core.memory import Memory
from ccproxy.net.notices import ServerLog

INTERVAL = 0.05
"""Seconds between two looks while memory is tight."""
MIB = 1024 * 1024


class MemoryWatch:
    """Runs while the server runs."""

    def __init__(self, memory: Memory, log: ServerLog) -> None:
        self._memory = memory
        self._log = log
        self._tight = asyncio.Event()
        memory.wake = self._tight.set

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._tight.wait()
            self._tight.clear()
            await self._while_tight()

    async def _while_tight(self) -> None:
        memory, log = self._memory, self._log
        loop = asyncio.get_running_loop()
        log.often(
            "memory is tight", "memory is tight used=%d MiB memory=%d MiB; senders to the fullest "
            "queues have to wait", memory.used // MIB, memory.limit // MIB,
        )  # fmt: skip
        while memory.tight:
            await asyncio.sleep(INTERVAL)
            reader = memory.tick(loop.time())
            if reader is not None:
                log.often("closed for memory", "closed for memory peer=%s", reader.name)
                reader.give_up()
        log.often("memory is free", "memory is free again used=%d MiB", memory.used // MIB)
