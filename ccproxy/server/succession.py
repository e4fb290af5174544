"""How one server follows another without a closed port: what both do, the new one and the old one.

The new one starts on what it inherits and says that it is ready; then the old one stops accepting,
serves the connections that it has until they end or their time is over, and stops. It must never
know what is said between the two.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ccproxy.config.plan import Plan
from ccproxy.net.shared import Kit
from ccproxy.server.administration import Administration
from ccproxy.server.handlers import HandlerSet
from ccproxy.server.listeners import Listeners
from ccproxy.server.observer import Observer
from ccproxy.server.reload import Reloads
from ccproxy.server.replacement import Replaceable, Replacement, Surrender
from ccproxy.server.reporting import Reporting
from ccproxy.server.takeover import Takeover

LOOK_INTERVAL = 0.02
"""Seconds between two looks whether connections are left."""


class SucceedingProcess(Protocol):
    """What the process around a server does when that follows another one, or is followed."""

    takeover: Takeover | None
    """The old server, of a process that takes its place."""

    def claim(self) -> list[int]:
        """The new process is about to be ready: its number is in the pid file; the numbers of the
        files that it goes on with."""

    def own(self) -> None:
        """The old process has let go: files are ours."""

    def files(self) -> Sequence[tuple[str, str, int]]:
        """Kind, path and descriptor of the files that another process gets."""

    def kept(self) -> None:
        """The other process has gone before it was ready: the pid file has our number."""

    def surrendered(self, to: Surrender) -> None:
        """The other process is ready; it may go on with files of this one."""


@dataclass(frozen=True, slots=True)
class ServerParts:
    """The parts of a server that change hands or end."""

    kit: Kit
    handlers: HandlerSet
    listeners: Listeners
    observer: Observer
    administration: Administration
    reloads: Reloads
    reporting: Reporting


class Succession:
    """One server's part in it."""

    def __init__(
        self,
        parts: ServerParts,
        process: SucceedingProcess,
        waiting: Callable[[], int],
        stop: Callable[[], None],
    ) -> None:
        """`waiting` counts messages in queues and calls under way; `stop` ends the server."""
        self._parts = parts
        self._process = process
        self._waiting = waiting
        self._stop = stop
        self._ending: asyncio.Task[None] | None = None
        self.in_charge = True
        """False while another server writes the infofile and tells systemd what it does."""
        self._write(process.takeover is None)
        server = Replaceable(
            parts.kit.listening, self._busy, parts.administration.place, process.files,
            parts.handlers.suspend, self._restore, self._surrender,
        )  # fmt: skip
        self.replacement = Replacement(server, parts.kit.log)

    # The new server

    async def inherit(self, plan: Plan) -> None:
        """Take the sockets of the old server, and have it let go of the state files that the plan
        needs; HandoverError if it does not."""
        takeover, kit = self._process.takeover, self._parts.kit
        if takeover is None:
            return
        kit.neighbours.before = takeover.process
        kit.listening.inherit(takeover.sockets())
        self._parts.administration.inherit(takeover.control())
        files = [file for one in plan.handlers for file in one.state_files]
        if files:
            await takeover.release(files, kit.log)

    async def complete(self) -> None:
        """This server accepts now: the old one lets go. HandoverError if neither should run."""
        takeover, kit = self._process.takeover, self._parts.kit
        if takeover is None:
            return
        administration = self._parts.administration
        used = [*kit.listening.used, *administration.used, *self._process.claim()]
        await takeover.ready(used, kit.log)
        kit.listening.own()
        administration.own()
        self._process.own()
        takeover.close()
        self._write(True)

    # The old server

    async def close(self) -> None:
        """The server stops."""
        await self.replacement.close()
        self._parts.kit.listening.close_unused()
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)

    def _write(self, ours: bool) -> None:
        self.in_charge = self._parts.reporting.writes_infofile = ours

    def _busy(self) -> str:
        return "a reload is under way" if self._parts.reloads.under_way else ""

    async def _restore(self) -> None:
        self._process.kept()
        await self._parts.handlers.resume()

    def _surrender(self, to: Surrender) -> int:
        """Accept no more, leave files alone, and end when no connection is left; how many messages
        are in memory for links that are down."""
        parts = self._parts
        parts.kit.neighbours.after = to.process
        # The other process cannot take messages before it has the spools.
        linger = 0.0 if any(link.spooled for link in parts.handlers.links) else to.linger
        parts.kit.log.info(
            "replaced by process=%d: connections stay for at most %g s", to.process, linger
        )
        self._write(False)
        self._process.surrendered(to)
        parts.administration.stop_accepting()
        parts.listeners.stop_accepting()
        parts.handlers.stop_accepting()
        parts.handlers.give_up_suspended()
        loop = asyncio.get_running_loop()
        self._ending = loop.create_task(self._end(linger), name="succession")
        self._ending.add_done_callback(parts.kit.log.ended)
        return self._stranded()

    def _stranded(self) -> int:
        """Count the messages in memory for links that are down, and say for which."""
        found: Counter[str] = Counter()
        for link in self._parts.handlers.links:
            if link.state != "up" and not link.spooled and link.sink.waiting:
                found[link.name] += link.sink.waiting
        for name, messages in found.items():
            self._parts.kit.log.warning(
                "link=%s is down: messages=%d are dropped (stop) if it is not up before this "
                "server ends; a longer --replace-linger or a spool keeps them", name, messages,
            )  # fmt: skip
        return found.total()

    async def _end(self, seconds: float) -> None:
        """Serve what is there until it ends, for at most so many seconds; then stop in order."""
        loop = asyncio.get_running_loop()
        await self._parts.administration.close()
        end = loop.time() + seconds
        while loop.time() < end and (self._connections() or self._waiting()):
            await asyncio.sleep(LOOK_INTERVAL)
        self._parts.kit.log.info(
            "stops after its replacement: connections=%d waiting=%d",
            self._connections(), self._waiting(),
        )  # fmt: skip
        self._stop()

    def _connections(self) -> int:
        """Accepted connections that are open."""
        accepting = [one for one in self._parts.observer.listeners() if one.acceptor.address]
        # The first outbox of each sums up those that are gone.
        return sum(len(one.outboxes()) - 1 + one.acceptor.silent for one in accepting)
