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

from ccproxy.config.address import Address
from ccproxy.config.diff import diff
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.core.outbox import Outbox
from ccproxy.core.switch import COMPILED, Switch
from ccproxy.net.crew import Crew, StartFailed
from ccproxy.net.daemon import notify
from ccproxy.net.journal import Journal
from ccproxy.net.link import drained
from ccproxy.net.listener import Identities, Listener
from ccproxy.net.memory import keep_some
from ccproxy.net.services import Services
from ccproxy.net.statistics import Statistics
from ccproxy.net.turn import Turn
from ccproxy.wire.cc import CcCodec

Reload = Callable[[], tuple[Plan | None, list[Problem]]]

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
        self.listeners: dict[str, Listener] = {}
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
        self._listen(self.plan)
        for route in self.plan.routes:
            self.journal.info("New route: %s = %s", route.prefix, ", ".join(route.sections))
        for listener in self.listeners.values():
            listener.accept()
            self.journal.info("listening name=%s address=%s", listener.name, listener.bound)
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
        for listener in self.listeners.values():
            listener.close()
            for connection in listener.connections:
                connection.mute()
        await self.crew.stop(linger)
        boxes = [box for listener in self.listeners.values() for box in listener.outboxes()]
        await asyncio.gather(*(drained(box, linger) for box in boxes if box.waiting))
        for listener in self.listeners.values():
            listener.drop("the server stops")
        self.journal.drops(self.outboxes())
        self.statistics.write()
        for box in self.outboxes():
            self.journal.info("outbox %s", box.line())
        self.journal.info("ledger %s", self.switch.ledger.line())

    def outboxes(self) -> list[Outbox]:
        """Every outbox there is: of links, and of peers."""
        peers = [box for one in self.listeners.values() for box in one.outboxes()]
        return [*self.crew.outboxes(), *peers]

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
            with contextlib.suppress(StartFailed, OSError):
                await self._adopt(plan)

    async def _adopt(self, plan: Plan) -> None:
        """Change to a new plan, or to nothing of it."""
        before = dict(self.listeners)
        change = diff(self.plan, plan)
        try:
            self._listen(plan)
            await self.crew.adopt(plan, change.handlers.kept)
        except (StartFailed, OSError) as error:
            for name, listener in self.listeners.items():
                if before.get(name) is not listener:
                    listener.close()
            self.listeners = before
            self.journal.error("reload failed, the old configuration stays: %s", error)
            raise
        self.plan = plan
        for listener in before.values():
            if listener not in self.listeners.values():
                listener.close()
                listener.drop("its listener is no longer configured")
        for one in plan.listeners:
            self.listeners[_key(one)].reconfigure(one.options)
            self.listeners[_key(one)].accept()
        self.journal.info("reloaded: %s", change)

    def _listen(self, plan: Plan) -> None:
        """Have a bound listener for every address of the plan; those that are open are kept."""
        listeners: dict[str, Listener] = {}
        for one in plan.listeners:
            key = _key(one)
            known = self.listeners.get(key)
            listeners[key] = known or self._open(one, opened=list(listeners.values()))
        self.listeners = listeners

    def _open(self, plan: ListenerPlan, opened: list[Listener]) -> Listener:
        address = Address.parse(str(plan.address))
        listener = Listener(plan.section, address, plan.options, self.services)
        try:
            listener.open()
        except OSError as error:
            for one in opened:
                if one not in self.listeners.values():
                    one.close()
            what = f"[{plan.section}] cannot listen on {address}: {error.strerror or error}"
            raise OSError(what) from error
        return listener

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            self.journal.drops(self.outboxes())
            self.journal.summarise()


def _key(plan: ListenerPlan) -> str:
    return f"{plan.protocol} {Address.parse(str(plan.address))}"


def _raise_file_limit() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
