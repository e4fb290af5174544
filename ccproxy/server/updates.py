"""What open pages are told: the status again and again, as server-sent events.

An update is computed once for all pages, in slices, and only while one is open. A page that does
not read misses updates; the connection's own limits close it then. Pages without the token get
another update, in which no names stand. It must never keep more than the latest of each kind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

from ccproxy.net.notices import ServerLog
from ccproxy.server.hidden import without_names
from ccproxy.server.observer import Observer
from ccproxy.server.requests import RequestError, WebAnswer, as_json
from ccproxy.server.status import LossStatus, PeerStatus, Status, StatusPage, TrafficStatus

UPDATE_INTERVAL = 1.0
"""Seconds between two updates."""
MOST_PAGES = 6
"""Pages with the token, and as many without it, that get updates at a time."""
PEERS = 24
TYPES = 100
LOSSES = 20
"""Items of an update."""
TYPES_PER_UPDATE = 10_000
"""Types that are looked at for each update: with more, only every second or third one counts them
anew, so that very many types do not cost very much."""
EVENTS = "text/event-stream"


class Collector:
    """Makes updates of what an observer sees."""

    def __init__(self, status: Callable[[], Status], observer: Observer) -> None:
        self._status = status
        self._observer = observer
        self._traffic = TrafficStatus(StatusPage((), 0))
        self._rest = 0
        """Updates for which the traffic stays as it is."""

    async def updates(self, names: bool, plain: bool) -> dict[bool, bytes]:
        """The update with names and the one without, as far as they are wanted, by `names`."""
        found = {}
        status = self._status()
        await asyncio.sleep(0)  # that was a turn's work if there are many peers
        traffic = await self._counted()
        if names:
            peers = await self._observer.peers("", PEERS)
            losses = self._observer.losses()
            shown = replace(losses, items=losses.items[:LOSSES])
            found[True] = await event(status, traffic, peers, shown)
        if plain:
            hidden = replace(traffic, types=StatusPage((), traffic.types.total))
            found[False] = await event(without_names(status), hidden)
        return found

    async def _counted(self) -> TrafficStatus:
        self._rest -= 1
        if self._rest < 0:
            self._traffic = await self._observer.traffic(TYPES)
            self._rest = self._traffic.types.total // TYPES_PER_UPDATE
        return self._traffic


async def event(
    status: Status,
    traffic: TrafficStatus,
    peers: StatusPage[PeerStatus] | None = None,
    losses: StatusPage[LossStatus] | None = None,
) -> bytes:
    """An update as one event; `peers` and `losses` are there if it has names."""
    parts: dict[str, Any] = {"status": status, "types": traffic.types}
    parts |= {"peers": peers, "losses": losses} if peers and losses else {}
    texts = [f"{json.dumps(name)}:{(await as_json(one)).decode()}" for name, one in parts.items()]
    texts.append(f'"sections":{json.dumps(traffic.sections)}')
    texts.append(f'"counted":{traffic.time},"interval":{UPDATE_INTERVAL}')
    texts.append(f'"names":{json.dumps("peers" in parts)}')
    # JSON has no line ends but those between its values.
    return f"data: {{{','.join(texts)}}}".replace("\n", "").encode() + b"\n\n"


class PageClient:
    """One open page, and the update that it has not got yet."""

    def __init__(self) -> None:
        self.ended = False
        self.missed = 0
        self._waiting: bytes | None = None
        self._woken = asyncio.Event()

    def offer(self, update: bytes) -> None:
        """Have this update sent instead of one that still waits."""
        self.missed += self._waiting is not None
        self._waiting = update
        self._woken.set()

    def end(self) -> None:
        """Send no more."""
        self.ended = True
        self._woken.set()

    async def next(self) -> bytes:
        """What is to be sent next; b"" at the end."""
        await self._woken.wait()
        self._woken.clear()
        if self.ended or self._waiting is None:
            return b""
        found, self._waiting = self._waiting, None
        missed, self.missed = self.missed, 0
        return b"event: missed\ndata: %d\n\n" % missed + found if missed else found


class Updates:
    """Sends updates to the open pages."""

    def __init__(self, collector: Collector, log: ServerLog) -> None:
        self._collector = collector
        self._log = log
        self.clients: dict[bool, set[PageClient]] = {True: set(), False: set()}
        """The pages with the token and those without it."""
        self._latest: dict[bool, bytes] = {}
        """The latest updates, for a page that is opened."""
        self._task: asyncio.Task[None] | None = None

    def answer(self, trusted: bool) -> WebAnswer:
        """The updates for a page, until it is closed; RequestError if there are too many pages."""
        self._check(trusted)
        return WebAnswer(200, self._events(trusted), EVENTS)

    def end(self) -> None:
        """Close all pages."""
        for client in [*self.clients[True], *self.clients[False]]:
            client.end()

    async def close(self) -> None:
        """Close all pages, and compute no more."""
        self.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _check(self, trusted: bool) -> None:
        if len(self.clients[trusted]) >= MOST_PAGES:
            what = f"there are {MOST_PAGES} open pages already; close one, or wait"
            raise RequestError(503, what, {"Retry-After": "10"})

    async def _events(self, trusted: bool) -> AsyncGenerator[bytes, None]:
        client = PageClient()
        if trusted in self._latest:
            client.offer(self._latest[trusted])
        self.clients[trusted].add(client)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="updates")
            self._task.add_done_callback(self._done)
        try:
            while update := await client.next():
                yield update
        finally:
            self.clients[trusted].discard(client)

    async def _run(self) -> None:
        """Compute updates while there are pages."""
        while self.clients[True] or self.clients[False]:
            wanted = bool(self.clients[True]), bool(self.clients[False])
            self._latest = await self._collector.updates(*wanted)
            for trusted, update in self._latest.items():
                for client in self.clients[trusted]:
                    client.offer(update)
            await asyncio.sleep(UPDATE_INTERVAL)

    def _done(self, task: asyncio.Task[None]) -> None:
        """The last page was closed, or something has failed: then pages ask again later."""
        self._task, self._latest = None, {}
        self._log.ended(task)
        self.end()
