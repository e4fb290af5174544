"""The running server: start, reload, stop. It ties listeners, handlers and the switch together.

It must never decide about a message; that is what the switch is for.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import Any, Protocol

from ccproxy.config.diff import Change, diff
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.core.ingress import COMPILED
from ccproxy.core.memory import Memory
from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.latencies import Latencies
from ccproxy.net.memory_watch import MemoryWatch
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.identities import Identities, new_mark
from ccproxy.plugins import Plugins
from ccproxy.process.handover import HandoverError
from ccproxy.process.memory import keep_some, memory_limit
from ccproxy.process.server_id import server_id
from ccproxy.process.signals import ProcessSignals
from ccproxy.process.systemd import notify, tell_watchdog
from ccproxy.server.administration import Administration, Watched
from ccproxy.server.control import ControlActions
from ccproxy.server.events import Events
from ccproxy.server.handlers import HandlerSet, StartFailed
from ccproxy.server.listeners import Listeners
from ccproxy.server.observer import Observer, sinks_status
from ccproxy.server.reload import ReloadOutcome, Reloads, keys_read, text_of
from ccproxy.server.reporting import Reporting
from ccproxy.server.status import Status
from ccproxy.server.steering import Steered, Steering
from ccproxy.server.succession import ServerParts, SucceedingProcess, Succession
from ccproxy.server.tapping import Tapping
from ccproxy.wire.cc import CcCodec
from ccproxy.wire.text import OperatorText

POLL_INTERVAL = 1.0
"""Seconds between two looks at what was dropped."""
STAYS = "the old configuration stays"


class Owner(SucceedingProcess, Protocol):
    """The process around the server."""

    signals: ProcessSignals

    def ready(self) -> None:
        """Called once, when every listener accepts."""

    def reload(self) -> tuple[Plan | None, list[Problem]]:
        """A new plan, asked for on SIGHUP; None if it has mistakes."""

    def reloaded(self, adopted: bool) -> None:
        """The reload is over: the new plan runs, or the old one stays."""


async def serve(plan: Plan, owner: Owner, plugins: Plugins) -> int:
    """Run a plan until SIGTERM or SIGINT; the exit status. Nothing is left half started."""
    server = Server(plan, owner, plugins)
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
        await server.run()
        await server.stop()
    return 0


class Server:
    """One switch with its listeners and handlers."""

    def __init__(self, plan: Plan, owner: Owner, plugins: Plugins) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.plan = plan
        self.owner = owner
        self.log = ServerLog(loop.time)
        codec = CcCodec(gethostname(), time.time)
        self.switch = Switch(codec, self.log, plan.server.flows, plan.server.stats_types)
        mark = new_mark() if plan.server.hop_marks else b""
        identities = Identities(random.getrandbits(31), mark)
        latencies = Latencies(bool(plan.server.http))
        flush_queue = FlushQueue(loop, plan.server.busy_poll, latencies)
        memory = Memory(plan.server.memory or memory_limit())
        self.kit = Kit(self.switch, flush_queue, self.log, identities, memory)
        self.memory_watch = MemoryWatch(memory, self.log)
        self.handlers = HandlerSet(self.kit, plugins)
        self.listeners = Listeners(self.kit)
        self.observer = Observer(self.kit, self.handlers, self.listeners, Path(plan.file))
        self.events = self.observer.queue_watch.events = Events(self.switch)
        self.kit.link_watchers.append(self.events.link)
        self.log.on_failure = self.events.handler_failed
        self.reporting = Reporting(self.observer, self.log)
        self.reloads = Reloads(self._reload)
        tapping = Tapping(self.switch.table)
        steered = Steered(
            self.observer.listeners, self.observer.links, self.observer.outboxes,
            self.handlers.waiting, lambda: self.handlers.members, self._take_no_more,
            self._take_again, self._busy, self.ask_to_stop,
        )  # fmt: skip
        self.steering = Steering(steered, self.log)
        actions = ControlActions(self.status, self.observer, self.reloads, tapping, self.steering)
        watched = Watched(self.status, self.observer, actions)
        self.administration = Administration(watched, self.kit)
        parts = ServerParts(
            self.kit, self.handlers, self.listeners, self.observer, self.administration,
            self.reloads, self.reporting,
        )  # fmt: skip
        self.succession = Succession(parts, owner, self.steering.waiting, self.ask_to_stop)
        actions.table["POST", "/v1/replace"] = self.succession.replacement.answer
        self._stopping = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Stop, also while the start or a reload is under way."""
        self._stopping.set()

    def ask_to_reload(self) -> None:
        """Read the configuration again, as soon as a reload under way is done."""
        self.reloads.ask()

    async def start(self) -> None:
        """Handlers first, listeners last; StartFailed or OSError says what did not work."""
        self.kit.descriptors.raise_limit()
        keep_some()
        self.kit.far.server = server_id(self.plan.server.server_id)
        self._allow(self.plan)
        await self._unless_stopped(self.succession.inherit(self.plan))
        self.events.configure(self.plan)
        await self._unless_stopped(self.handlers.apply(self.plan))
        await self.listeners.commit(self.listeners.prepare(self.plan), self.plan)
        for route in self.plan.routes:
            sections = OperatorText(", ".join(route.sections))
            self.log.info("New route: %s = %s", route.prefix, sections)
        await self.administration.open(self.plan)
        for one in self.listeners.open.values():
            self.log.info("listening name=%s address=%s", one.acceptor.name, one.acceptor.bound)
        await self.succession.complete()
        self.log.info("ready data-path=%s", "compiled" if COMPILED else "plain-python")

    async def _unless_stopped(self, work: Coroutine[Any, Any, object]) -> None:
        """A handler whose start hangs must not make the process immune to signals."""
        starting = self._loop.create_task(work)
        stopping = self._loop.create_task(self._stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.cancel():
            await asyncio.gather(starting, return_exceptions=True)
            raise StartFailed("asked to stop before the start was done")
        starting.result()

    async def run(self) -> None:
        """Serve, until asked to stop."""
        work = {
            "watch": self._watch(),
            "memory": self.memory_watch.run(),
            "statistics": self.reporting.write_again_and_again(lambda: self.plan),
            "averages": self.reporting.sample_again_and_again(lambda: self.plan),
            "reloads": self.reloads.run(),
            "watchdog": tell_watchdog(),
        }
        tasks = [self._loop.create_task(one, name=name) for name, one in work.items()]
        for task in tasks:
            task.add_done_callback(self.log.ended)
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Stop accepting, let calls be answered and handlers stop, flush up to linger, say the
        ledger."""
        if self.succession.in_charge:
            notify("STOPPING=1")
        self.events.stop()
        await self.succession.close()
        await self.administration.close()
        await self.steering.close()
        linger = self.plan.server.linger
        self.listeners.stop_reading()
        await self.listeners.settle()
        await self.handlers.stop(linger)
        await self.listeners.close_peers(linger)
        await self.kit.handshakes.close()
        outboxes = self.observer.outboxes()
        await self.observer.queue_watch.look(outboxes)
        await self.reporting.write_last(self.plan)
        for box in outboxes:
            self.log.outbox(box)
        for where, dropped in sinks_status(outboxes).losses.items():
            counts = " ".join(f"{reason}={number}" for reason, number in dropped.items())
            self.log.info("dropped destination=%s %s", where, counts)
        self.log.info("ledger %s", OperatorText(self.switch.ledger.line()))

    def status(self) -> Status:
        """Everything worth knowing of this server now."""
        return replace(self.observer.status(self.plan), draining=self.steering.draining)

    def refused(self, what: str, error: BaseException) -> None:
        """Something cannot be done; a stack trace for what is likely a fault of the code."""
        expected = isinstance(error, StartFailed | OSError | HandoverError)
        # It names addresses and paths of the configuration, which have to be read whole.
        text = OperatorText(error if expected else repr(error))
        trace = None if expected else error
        self.log.logger.error("%s: %s", what, text, exc_info=trace, stacklevel=2)

    async def _reload(self) -> ReloadOutcome:
        """Read the configuration again and change to it, or to nothing of it."""
        outcome = ReloadOutcome(False, STAYS)
        if why := self.succession.replacement.under_way:
            self.log.error("no reload: %s", OperatorText(why))
            return ReloadOutcome(False, f"{why}; {STAYS}")
        try:
            plan, problems = self.owner.reload()
            outcome = await self._adopt(plan, tuple(problems))
        except (
            BaseException
        ) as error:  # a plugin may exit as well; the next reload must be possible
            if self._stopping.is_set():
                raise
            self.refused(f"reload failed, {STAYS}", error)
            outcome = ReloadOutcome(False, f"{error or repr(error)}; {STAYS}")
        finally:
            self.owner.reloaded(outcome.adopted)
            self.events.reload(outcome.adopted)
        if outcome.adopted:
            self.log.levels.reset()
            self.log.info("reloaded: %s", OperatorText(outcome.text))
        return outcome

    async def _adopt(self, plan: Plan | None, problems: tuple[Problem, ...]) -> ReloadOutcome:
        """Change to a plan, if there is one; its problems are logged."""
        for problem in problems:
            (self.log.warning if problem.warning else self.log.error)("%s", OperatorText(problem))
        if plan is None:
            self.log.error("reload failed, %s", STAYS)
            return ReloadOutcome(False, STAYS, problems=problems)
        change, said = await self._change_to(plan)
        said = [*keys_read(plan), *said]
        return ReloadOutcome(True, text_of(change, said), change, problems)

    async def _change_to(self, plan: Plan) -> tuple[Change, list[str]]:
        """Run another plan, or go on with the present one and raise; what is different, and what
        handlers that go on say of files of their own."""
        change = diff(self.plan, plan)
        prepared = self.listeners.prepare(plan)
        try:
            said = await self.handlers.apply(plan, change.handlers.kept)
        except BaseException:  # also when the server is asked to stop meanwhile
            self.listeners.abandon(prepared)
            raise
        self._allow(plan)
        await self.listeners.commit(prepared, plan)
        for member in self.handlers.members.values():
            for listener in member.context.listeners:
                listener.reconfigure(listener.options)  # it reads its keys again
        self.kit.flush_queue.busy_poll = plan.server.busy_poll
        self.kit.memory.configure(plan.server.memory or memory_limit())
        said += self.administration.reconfigure(plan)
        self.events.configure(plan)
        self.plan = plan
        return change, said

    def _take_no_more(self) -> None:
        """Accept no peers, and read those of listeners to their end. Those at addresses of handlers
        stay: they get what waits for them."""
        self.listeners.stop_reading()
        self.handlers.stop_accepting()

    async def _take_again(self) -> None:
        """Open all these addresses again, or none: then OSError names one."""
        await self.handlers.accept_again()
        try:
            await self.listeners.reopen(self.plan)
        except OSError:
            self.handlers.stop_accepting()
            raise

    def _busy(self) -> str:
        """Why listeners cannot be opened now; "" if they can."""
        reloading = "a reload is under way" if self.reloads.under_way else ""
        return self.succession.replacement.under_way or reloading

    def _allow(self, plan: Plan) -> None:
        """Apply the `[allow:NAME]` sections; listeners ask for them when they are reconfigured."""
        rights = {(one.kind, one.value): one.rights for one in plan.allow}
        commands = {one.factory.commands for one in plan.handlers} - {""}
        self.switch.access.configure(rights, tuple(sorted(commands)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            self._take_signals_back()
            await self.observer.queue_watch.look(self.observer.outboxes())
            self.events.listeners(self.observer.listeners())
            self.events.summarise()
            self.log.summarise()

    def _take_signals_back(self) -> None:
        """A plugin that handles SIGTERM itself must not make the stop impossible."""
        if taken := self.owner.signals.take_back():
            names = " ".join(taken)
            self.log.warning("a plugin has changed signal handlers, ours are back: %s", names)
