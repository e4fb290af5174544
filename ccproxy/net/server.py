"""The running server: start, reload, stop. It ties listeners, handlers and the switch together.

It must never decide about a message; that is what the switch is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import signal
import time
from collections.abc import Callable
from socket import gethostname

from ccproxy.config.diff import diff
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.core.ingress import COMPILED
from ccproxy.core.outbox import Outbox
from ccproxy.core.switch import Switch
from ccproxy.net.crew import Crew, StartFailed
from ccproxy.net.daemon import notify
from ccproxy.net.identities import Identities
from ccproxy.net.journal import Journal
from ccproxy.net.listeners import Listeners
from ccproxy.net.memory import keep_some
from ccproxy.net.services import Services
from ccproxy.net.statistics import Statistics
from ccproxy.net.turn import Turn
from ccproxy.wire.cc import CcCodec

Reload = Callable[[], tuple[Plan | None, list[Problem]]]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WATCH = 1.0
"""Seconds between two looks at what was dropped."""


async def serve(plan: Plan, reload: Reload, ready: Callable[[], None]) -> int:
    """Run a plan until SIGTERM or SIGINT; the exit status. SIGHUP asks `reload` for a new plan.

    `ready` is called once, when every listener accepts. Nothing is left half started.
    """
    server = Server(plan)
    try:
        await server.start()
    except (StartFailed, OSError) as error:
        server.journal.error("cannot start: %s", error)
        await server.stop()
        return 1
    ready()
    await server.run(reload)
    await server.stop()
    return 0


class Server:
    """One switch with its listeners and handlers."""

    def __init__(self, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        self.plan = plan
        self.journal = Journal(loop.time)
        codec = CcCodec(gethostname(), time.time)
        self.switch = Switch(codec, self.journal, plan.server.flows)
        identities = Identities(random.getrandbits(31))
        self.services = Services(self.switch, Turn(loop), self.journal, identities)
        self.crew = Crew(self.services)
        self.listeners = Listeners(self.services)
        self.statistics = Statistics(self)
        self._loop = loop
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Event()

    async def start(self) -> None:
        """Handlers first, listeners last; StartFailed or OSError says what did not work."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._reloading.set)
        _raise_file_limit()
        keep_some()
        await self.crew.adopt(self.plan)
        await self.listeners.commit(self.listeners.prepare(self.plan), self.plan)
        for route in self.plan.routes:
            self.journal.info("New route: %s = %s", route.prefix, ", ".join(route.sections))
        for one in self.listeners.open.values():
            self.journal.info("listening name=%s address=%s", one.door.name, one.door.bound)
        self.journal.info("ready data-path=%s", "compiled" if COMPILED else "plain-python")

    async def run(self, reload: Reload) -> None:
        """Obey signals until one says stop."""
        watches = [
            self._loop.create_task(self._watch()),
            self._loop.create_task(self.statistics.run()),
            self._loop.create_task(self.statistics.sample()),
            self._loop.create_task(self._reload_on_signal(reload)),
        ]
        await self._stopping.wait()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def stop(self) -> None:
        """Stop accepting, let handlers stop, flush what waits up to linger, say the ledger."""
        notify("STOPPING=1")
        linger = self.plan.server.linger
        self.listeners.mute()
        await self.crew.stop(linger)
        await self.listeners.dismiss(linger)
        self.journal.drops(self.outboxes())
        self.statistics.write()
        for box in self.outboxes():
            self.journal.info("outbox %s", box.line())
        self.journal.info("ledger %s", self.switch.ledger.line())
        for number in SIGNALS:
            # Who is asked to stop again must not die of it: a loop that closes sets the default.
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def outboxes(self) -> list[Outbox]:
        """Every outbox there is: of links, and of peers."""
        return [*self.crew.outboxes(), *self.listeners.outboxes()]

    async def _reload_on_signal(self, reload: Reload) -> None:
        while True:
            await self._reloading.wait()
            self._reloading.clear()
            plan, problems = reload()
            for problem in problems:
                (self.journal.warning if problem.warning else self.journal.error)("%s", problem)
            if plan is None:
                self.journal.error("reload failed, the old configuration stays")
                continue
            await self._adopt(plan)

    async def _adopt(self, plan: Plan) -> None:
        """Change to a new plan, or to nothing of it."""
        change = diff(self.plan, plan)
        try:
            prepared = self.listeners.prepare(plan)
            try:
                await self.crew.adopt(plan, change.handlers.kept)
            except StartFailed:
                self.listeners.abandon(prepared)
                raise
        except (StartFailed, OSError) as error:
            self.journal.error("reload failed, the old configuration stays: %s", error)
            return
        await self.listeners.commit(prepared, plan)
        self.plan = plan
        self.journal.info("reloaded: %s", change)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            self.journal.drops(self.outboxes())
            self.journal.summarise()


def _raise_file_limit() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
