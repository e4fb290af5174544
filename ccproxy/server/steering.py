"""What an operator does to a running server: close peers, hold links back, let it end in order.

    POST /v1/drop-peer?peer=              by address with or without port, or proven name
    POST /v1/pause?link=                  the links of a section stay unconnected until `resume`
    POST /v1/resume?link=
    POST /v1/log?level=&section=          log more or less, all or one section
    POST /v1/drain                        take no more, and stop when all is delivered
    POST /v1/drain/cancel                 take messages again, if it has not stopped yet

Each answer is a line of JSON with numbers; that of a drain goes on until nothing waits. It must
never lose a message that a queue holds, but for those of a peer that is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from ccproxy.config.problems import did_you_mean
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.taps import peer_names
from ccproxy.net.notices import ServerLog
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.process.log_levels import LEVELS, SERVER
from ccproxy.protocol import Listener
from ccproxy.server.requests import JSON_LINES, RequestError, WebAnswer, json_answer, json_line
from ccproxy.server.spools import SpoolActions
from ccproxy.server.status import DRAINING
from ccproxy.spool.store import Spool

LOOK_INTERVAL = 0.05
"""Seconds between two looks at what waits while the server drains."""
SAY_INTERVAL = 1.0
"""Seconds between two lines about it."""
MOST_NAMES = 50
"""Sections that are looked at for one that may be meant: less than 5 ms."""
DROPPED = "an operator closed it"


@dataclass(frozen=True, slots=True)
class Done:
    """How many peers or links an operation has changed."""

    changed: int


@dataclass(frozen=True, slots=True)
class Levels:
    """At which level is logged, and by section where another one was asked for."""

    level: str
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Steered:
    """What operations work on: it is asked for each time, because a reload may change it."""

    listeners: Callable[[], list[Listener]]
    links: Callable[[], list[OutgoingLink]]
    outboxes: Callable[[], list[CountedQueue]]
    waiting: Callable[[], int]
    """Messages in queues that handlers have besides these."""
    sections: Callable[[], Iterable[str]]
    """Those of handlers."""
    stop_reading: Callable[[], None]
    reopen: Callable[[], Awaitable[None]]
    """Accept again after `stop_reading`; OSError if an address cannot be had."""
    busy: Callable[[], str]
    """Why listeners cannot be opened now; "" if they can."""
    stop: Callable[[], None]


class Steering:
    """Carries out what is asked for on the control socket."""

    def __init__(self, server: Steered, log: ServerLog) -> None:
        self._server = server
        self._log = log
        self._drain: asyncio.Task[None] | None = None
        self._cancelling = False
        self.spools = SpoolActions(self._spools, log)

    def _spools(self) -> list[Spool]:
        return [one.sink for one in self._server.links() if isinstance(one.sink, Spool)]

    async def drop_peer(self, query: Mapping[str, str]) -> WebAnswer:
        """Close the peers of one name; libzmq connects again at once."""
        peer = _given(query, "peer", "HOST:PORT, HOST, or the name that it has proven")
        changed = 0
        for listener in self._server.listeners():
            changed += listener.drop(lambda name: peer in peer_names(name), DROPPED)
        if not changed:
            raise RequestError(404, f"no peer is called {peer:.100}; `status FILE peers` has all")
        self._log.info("dropped by an operator peer=%s connections=%d", peer, changed)
        return await json_answer(Done(changed))

    async def pause(self, query: Mapping[str, str]) -> WebAnswer:
        """Disconnect the links of a section; messages wait in their queues."""
        return await self._each_link(query, OutgoingLink.pause, "paused")

    async def resume(self, query: Mapping[str, str]) -> WebAnswer:
        """Connect them again."""
        return await self._each_link(query, OutgoingLink.resume, "resumed")

    async def _each_link(
        self, query: Mapping[str, str], change: Callable[[OutgoingLink], None], word: str
    ) -> WebAnswer:
        section = _given(query, "link", "the section of a link, such as h:NAME")
        links = self._server.links()
        found = [one for one in links if one.name == section]
        if not found:
            raise RequestError(404, _no_link(section, sorted({one.name for one in links})))
        for one in found:
            change(one)
        self._log.info("%s by an operator link=%s", word, section)
        return await json_answer(Done(len(found)))

    async def log(self, query: Mapping[str, str]) -> WebAnswer:
        """Log at another level from now on, until a reload."""
        level, section = query.get("level", ""), query.get("section", "")
        if level not in LEVELS:
            raise RequestError(400, f"found level={level:.40}, expected {', '.join(LEVELS)}")
        known = [SERVER, *self._server.sections()]
        if section and section not in known:
            hint = did_you_mean(section[:100], known[:MOST_NAMES])
            text = f"[{section:.100}] logs nothing: it is no section of a handler"
            raise RequestError(404, f"{text}; {hint}" if hint else text)
        self._log.levels.change(level, section)
        self._log.warning("log level changed level=%s section=%s", level, section or "all")
        return await json_answer(Levels(self._log.levels.level, self._log.levels.sections))

    async def drain(self, query: Mapping[str, str]) -> WebAnswer:
        """Take no more messages and stop when nothing waits; it goes on if its client goes."""
        if self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drained(), name="drain")
            self._drain.add_done_callback(self._log.ended)
        return WebAnswer(200, self._progress(self._drain), JSON_LINES)

    async def cancel_drain(self, query: Mapping[str, str]) -> WebAnswer:
        """Take messages again; RequestError if it is too late, or an address is taken."""
        drain = self._drain
        if drain is None:
            raise RequestError(409, "the server does not drain")
        if self._cancelling:
            raise RequestError(409, "another command cancels the drain already")
        self._cancelling = True
        try:
            if why := self._server.busy():
                raise RequestError(409, f"{why}: the drain goes on")
            if not drain.done():
                await self._server.reopen()
        except OSError as error:
            raise RequestError(409, f"{error}: the drain goes on") from None
        finally:
            self._cancelling = False
        if drain.done():  # it may have ended meanwhile
            raise RequestError(409, "nothing waits, the server stops: the drain goes on")
        self._drain = None
        drain.cancel()
        self._log.info("the drain is cancelled by an operator: messages are taken again")
        return await json_answer(Done(1))

    @property
    def draining(self) -> bool:
        """True from `drain` to the end, or until that is cancelled."""
        return self._drain is not None

    async def close(self) -> None:
        """Forget a drain that is under way: the server stops."""
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)

    async def _drained(self) -> None:
        self._server.stop_reading()
        self._log.info(DRAINING)
        while self.waiting():
            await asyncio.sleep(LOOK_INTERVAL)
        self._log.info("drained: nothing waits")
        self._server.stop()

    async def _progress(self, drain: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
        """A line each second with what still waits, the last one with 0 or `cancelled`."""
        while not drain.done():
            yield json_line({"waiting": self.waiting()})
            await asyncio.wait((drain,), timeout=SAY_INTERVAL)
        if drain.cancelled():
            yield json_line({"waiting": self.waiting(), "cancelled": True})
            return
        yield json_line({"waiting": 0})

    def waiting(self) -> int:
        """Messages in queues, and calls that are not answered."""
        messages = sum(box.waiting for box in self._server.outboxes()) + self._server.waiting()
        return messages + sum(one.calls for one in self._server.listeners())


def _given(query: Mapping[str, str], name: str, what: str) -> str:
    if not query.get(name):
        raise RequestError(400, f"{name} is missing: {what}")
    return query[name]


def _no_link(section: str, known: list[str]) -> str:
    """Why nothing was done, with the section that may be meant."""
    if not known:
        return f"[{section:.100}] has no link: no section of this file has one"
    shown = known[:MOST_NAMES]
    more = ", ..." if len(known) > MOST_NAMES else ""
    hint = did_you_mean(section[:100], shown)
    text = f"[{section:.100}] has no link; links are those of {', '.join(shown)}{more}"
    return f"{text}; {hint}" if hint else text
