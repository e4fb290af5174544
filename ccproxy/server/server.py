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
from collections.abc import Coroutine
from socket import gethostname
from typing import Any, Protocol

from ccproxy.config.diff import Change, diff
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.core.ingress import COMPILED
from ccproxy.core.outbox import Outbox
from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.identities import Identities
from ccproxy.process.memory import keep_some
from ccproxy.process.signals import ProcessSignals
from ccproxy.process.systemd import notify
from ccproxy.server.handlers import HandlerSet, StartFailed
from ccproxy.server.listeners import Listeners
from ccproxy.server.statistics import Statistics
from ccproxy.wire.cc import CcCodec

POLL_INTERVAL = 1.0
"""Seconds between two looks at what was dropped."""


class Owner(Protocol):
    """The process around the server."""

    signals: ProcessSignals

    def ready(self) -> None:
        """Called once, when every listener accepts."""

    def reload(self) -> tuple[Plan | None, list[Problem]]:
        """A new plan, asked for on SIGHUP; None if it has mistakes."""

    def reloaded(self, adopted: bool) -> None:
        """The reload is over: the new plan runs, or the old one stays."""


async def serve(plan: Plan, owner: Owner) -> int:
    """Run a plan until SIGTERM or SIGINT; the exit status. Nothing is left half started."""
    server = Server(plan)
    with owner.signals.obeyed(
        {
            signal.SIGTERM: server.ask_to_stop,
            signal.SIGINT: server.ask_to_stop,
            signal.SIGHUP: server.ask_to_reload,
        }
    ):
        try:
            await server.start()
        except Exception as error:
            server.refused("cannot start", error)
            await server.stop()
            return 1
        owner.ready()
        await server.run(owner)
        await server.stop()
    return 0


class Server:
    """One switch with its listeners and handlers."""

    def __init__(self, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        self.plan = plan
        self.log = ServerLog(loop.time)
        codec = CcCodec(gethostname(), time.time)
        self.switch = Switch(codec, self.log, plan.server.flows)
        identities = Identities(random.getrandbits(31))
        self.kit = Kit(self.switch, FlushQueue(loop, plan.server.busy_poll), self.log, identities)
        self.handlers = HandlerSet(self.kit)
        self.listeners = Listeners(self.kit)
        self.statistics = Statistics(self)
        self._loop = loop
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Stop, also while the start or a reload is under way."""
        self._stopping.set()

    def ask_to_reload(self) -> None:
        """Read the configuration again, as soon as a reload under way is done."""
        self._reloading.set()

    async def start(self) -> None:
        """Handlers first, listeners last; StartFailed or OSError says what did not work."""
        _raise_file_limit()
        keep_some()
        await self._unless_stopped(self.handlers.apply(self.plan))
        await self.listeners.commit(self.listeners.prepare(self.plan), self.plan)
        for route in self.plan.routes:
            self.log.info("New route: %s = %s", route.prefix, ", ".join(route.sections))
        for one in self.listeners.open.values():
            self.log.info("listening name=%s address=%s", one.acceptor.name, one.acceptor.bound)
        self.log.info("ready data-path=%s", "compiled" if COMPILED else "plain-python")

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """A handler whose start hangs must not make the process immune to signals."""
        starting = self._loop.create_task(work)
        stopping = self._loop.create_task(self._stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.cancel():
            await asyncio.gather(starting, return_exceptions=True)
            raise StartFailed("asked to stop before the start was done")
        starting.result()

    async def run(self, owner: Owner) -> None:
        """Obey signals until one says stop."""
        watches = [
            self._loop.create_task(self._watch()),
            self._loop.create_task(self.statistics.run()),
            self._loop.create_task(self.statistics.sample()),
            self._loop.create_task(self._reload_on_signal(owner)),
        ]
        await self._stopping.wait()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def stop(self) -> None:
        """Stop accepting, let calls be answered and handlers stop, flush up to linger, say the
        ledger."""
        notify("STOPPING=1")
        linger = self.plan.server.linger
        self.listeners.stop_reading()
        await self.listeners.settle()
        await self.handlers.stop(linger)
        await self.listeners.close_peers(linger)
        self.log.drops(self.outboxes())
        self.statistics.write()
        for box in self.outboxes():
            self.log.info("outbox %s", box.line())
        self.log.info("ledger %s", self.switch.ledger.line())

    def refused(self, what: str, error: Exception) -> None:
        """Something cannot be done; a stack trace for what is likely a fault of the code."""
        expected = isinstance(error, StartFailed | OSError)
        text = "%s: %s" if expected else "%s: %r"
        trace = None if expected else error
        self.log.logger.error(text, what, error, exc_info=trace, stacklevel=2)

    def outboxes(self) -> list[Outbox]:
        """Every outbox there is: of links, and of peers."""
        return [*self.handlers.outboxes(), *self.listeners.outboxes()]

    async def _reload_on_signal(self, owner: Owner) -> None:
        while True:
            await self._reloading.wait()
            self._reloading.clear()
            change = None
            try:
                change = await self._reload(owner)
            except Exception as error:  # whatever it is, the next signal must be obeyed
                self.refused("reload failed, the old configuration stays", error)
            finally:
                owner.reloaded(change is not None)
            if change is not None:
                self.log.info("reloaded: %s", change)

    async def _reload(self, owner: Owner) -> Change | None:
        """Change to a new plan, or to nothing of it; what is different then, None if it is bad."""
        plan, problems = owner.reload()
        for problem in problems:
            (self.log.warning if problem.warning else self.log.error)("%s", problem)
        if plan is None:
            self.log.error("reload failed, the old configuration stays")
            return None
        change = diff(self.plan, plan)
        prepared = self.listeners.prepare(plan)
        try:
            await self.handlers.apply(plan, change.handlers.kept)
        except BaseException:  # also when the server is asked to stop meanwhile
            self.listeners.abandon(prepared)
            raise
        await self.listeners.commit(prepared, plan)
        self.kit.flush_queue.busy_poll = plan.server.busy_poll
        self.plan = plan
        return change

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            self.log.drops(self.outboxes())
            self.log.summarise()


def _raise_file_limit() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
