"""When the statistics of a server are written: each period, and at its end.

It must never decide what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ccproxy.config.plan import Plan
from ccproxy.core.averages import SAMPLE_INTERVAL
from ccproxy.net.notices import ServerLog
from ccproxy.server.observer import Observer
from ccproxy.server.statistics import Statistics, totals


class Reporting:
    """Writes the statistics of one server; the plan may be another one each time."""

    def __init__(self, observer: Observer, log: ServerLog) -> None:
        self._observer = observer
        self.writes_infofile = True
        """False while the infofile is that of another server."""
        self._statistics = Statistics(log)

    async def write_again_and_again(self, plan: Callable[[], Plan]) -> None:
        """Write each period, until cancelled."""
        while True:
            await asyncio.sleep(plan().server.stats_period)
            await self._write(plan())

    async def sample_again_and_again(self, plan: Callable[[], Plan]) -> None:
        """Take samples for the averages of the infofile, until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL)
            if plan().server.infofile_level > 2:
                self._statistics.sample(await self._totals(plan()))

    async def write_last(self, plan: Plan) -> None:
        """Write once more, at the end of the server."""
        await self._statistics.settle()
        await self._write(plan)
        await self._statistics.settle()

    async def _write(self, plan: Plan) -> None:
        options = plan.server
        if not self.writes_infofile:
            options = replace(options, infofile="")
        if options.cc_stats:
            total = await self._totals(plan)
            await self._statistics.write(self._observer.status(plan), options, total)

    async def _totals(self, plan: Plan) -> dict[str, int]:
        """All counters; those of message types only if they are to be counted."""
        types = await self._observer.all_types() if plan.server.cc_stats > 1 else {}
        verdicts = await self._observer.verdict_counters()
        return await totals(self._observer.status(plan), verdicts, types)
