"""Taps for clients of the control socket: put on, read out as lines of JSON, taken off.

    GET /v1/tap?prefix=&from=&to=&body=    a line for each message, until the client goes

A line is {"time", "type", "listener", "peer", "to", "fate", "bytes"}, with `body` also "frames"; or
{"missed": N} for N messages that passed while there was no room. It must never let a message wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ccproxy.core.flows import FlowTable
from ccproxy.core.taps import KEPT, Tap, TappedMessage, frames_of
from ccproxy.process.memory import keep_from_collector
from ccproxy.server.pages import slices
from ccproxy.server.requests import JSON_LINES, RequestError, WebAnswer, json_line

MOST_TAPS = 4
LOOK_INTERVAL = 0.05
"""Seconds between two looks at what a tap holds: so 4,000 messages a second are shown."""
QUIET_INTERVAL = 1.0
"""Seconds after which an empty line tells whether the client is still there."""
LINES_AT_ONCE = 25
"""Messages that become text in one turn of the loop: less than a millisecond."""
FLOWS_AT_ONCE = 500
"""Flows that are given other taps in one turn of the loop: about a millisecond."""
MANY_FLOWS = 5000
"""Flows from which on the garbage collector is kept from looking at what is made for a tap: to look
at that of 60,000 takes it 20 ms."""
SHOWN_FRAMES = 20
SHOWN_BYTES = 200
"""Frames of a message, and bytes of each frame, that are shown."""


class Tapping:
    """The taps on one flow table."""

    def __init__(self, table: FlowTable) -> None:
        self._table = table

    async def answer(self, query: Mapping[str, str]) -> WebAnswer:
        """The answer that goes on for as long as its client takes it."""
        if not query.get("prefix"):
            raise RequestError(400, "prefix is missing: that of a route, or * for every type")
        if len(self._table.taps) >= MOST_TAPS:
            raise RequestError(503, f"there are {MOST_TAPS} taps already")
        tap = Tap(query["prefix"], query.get("from", ""), query.get("to", ""))
        return WebAnswer(200, self._lines(tap, query.get("body") == "1"), JSON_LINES)

    async def _lines(self, tap: Tap, body: bool) -> AsyncGenerator[bytes, None]:
        """What the tap sees; it is on from the first line to the end."""
        self._table.tap((*self._table.taps, tap))
        try:
            await self._retarget()
            yield b"\n"
            quiet = 0.0
            while True:
                await asyncio.sleep(LOOK_INTERVAL)
                quiet += LOOK_INTERVAL
                found, missed = tap.take()
                async for some in slices(found, LINES_AT_ONCE):
                    yield b"".join(line(one, body) for one in some)
                if missed:
                    yield json_line({"missed": missed})
                elif quiet >= QUIET_INTERVAL:
                    yield b"\n"
                if found or quiet >= QUIET_INTERVAL:
                    quiet = 0.0
        finally:
            tap.closed = True
            self._table.tap(tuple(one for one in self._table.taps if one is not tap))
            await self._retarget()

    async def _retarget(self) -> None:
        """Give all flows the taps that there are now; many flows take several turns."""
        names = list(self._table.flows)
        async for types in slices(names, FLOWS_AT_ONCE):
            self._table.retarget(types)
            if len(names) > MANY_FLOWS:
                keep_from_collector()


def line(one: TappedMessage, body: bool) -> bytes:
    """A message as JSON in one line."""
    frames, envelope = frames_of(one.start), 0
    type = one.type
    if not type and b"" in frames:
        envelope = frames.index(b"") + 2
        type = b"".join(frames[envelope - 1 : envelope]).decode("ascii", "replace")
    value: dict[str, Any] = {
        "time": time.time(), "type": type, "listener": one.listener, "peer": one.peer,
        "to": one.places.sections, "fate": one.places.fate, "bytes": one.size,
    }  # fmt: skip
    if body:
        value["frames"] = list(map(_text, frames[envelope:][:SHOWN_FRAMES]))
        value["whole"] = one.size <= KEPT and len(frames) - envelope <= SHOWN_FRAMES
    return json_line(value)


def _text(frame: bytes) -> str:
    """A frame as text, cut; bytes that are no UTF-8 as `\\xff`."""
    return frame[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
