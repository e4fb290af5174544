"""What an operator does to a running server: close peers, hold links back, let it end in order.

    POST /v1/drop-peer?peer=              by address with or without port, or proven name
    POST /v1/pause?link=                  the links of a section stay unconnected until `resume`
    POST /v1/resume?link=
    POST /v1/drain                        take no more, and stop when all is delivered

Each answer is a line of JSON with numbers; that of a drain goes on until nothing waits. It must
never lose a message that a queue holds, but for those of a peer that is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from ccproxy.config.problems import did_you_mean
from ccproxy.core.outbox import Outbox
from ccproxy.core.taps import peer_names
from ccproxy.net.notices import ServerLog
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.protocol import Listener
from ccproxy.server.requests import JSON_LINES, RequestError, WebAnswer, json_answer, json_line

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
class Steered:
    """What operations work on: it is asked for each time, because a reload may change it."""

    listeners: Callable[[], list[Listener]]
    links: Callable[[], list[OutgoingLink]]
    outboxes: Callable[[], list[Outbox]]
    stop_reading: Callable[[], None]
    stop: Callable[[], None]


class Steering:
    """Carries out what is asked for on the control socket."""

    def __init__(self, server: Steered, log: ServerLog) -> None:
        self._server = server
        self._log = log
        self._drain: asyncio.Task[None] | None = None

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

    async def drain(self, query: Mapping[str, str]) -> WebAnswer:
        """Take no more messages and stop when nothing waits; it goes on if its client goes."""
        if self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drained(), name="drain")
            self._drain.add_done_callback(self._log.ended)
        return WebAnswer(200, self._progress(self._drain), JSON_LINES)

    async def close(self) -> None:
        """Forget a drain that is under way: the server stops."""
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)

    async def _drained(self) -> None:
        self._log.info("draining: no more messages are taken")
        self._server.stop_reading()
        while self._waiting():
            await asyncio.sleep(LOOK_INTERVAL)
        self._log.info("drained: nothing waits")
        self._server.stop()

    async def _progress(self, drain: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
        """A line each second with what still waits, the last one with 0."""
        while not drain.done():
            yield json_line({"waiting": self._waiting()})
            await asyncio.wait((drain,), timeout=SAY_INTERVAL)
        yield json_line({"waiting": 0})

    def _waiting(self) -> int:
        """Messages in queues, and calls that are not answered."""
        messages = sum(box.waiting for box in self._server.outboxes())
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
