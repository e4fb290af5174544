"""Statistics as the original wrote them: one log line each period, and the infofile.

Names of counters are those of the original (count, bytes, .ok, .dropped, .crashed, .invalid, and
each of these with .msg.TYPE). Where the original mixed losses of queues into the counts of
messages, ours come from the ledger. It renders a Status in pieces of bounded time, and must never
look at the server itself or count anything.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ccproxy.config.server import ServerOptions
from ccproxy.core.averages import WINDOWS, Average, Averages
from ccproxy.core.ledger import OUTCOMES
from ccproxy.core.type_totals import TypeCount
from ccproxy.net.notices import ServerLog
from ccproxy.server.infofile import InfoFile
from ccproxy.server.pages import slices
from ccproxy.server.status import HandlerStatus, ProcessStatus, Status
from ccproxy.wire.text import OperatorText

UNUSED_LIBRARIES = ("skytools", "libzmq", "pyzmq")
"""Libraries of the original, whose versions stand in the head of its infofile."""
TYPES_AT_ONCE = 250
"""Types whose counters are made in one turn of the loop: about a millisecond."""


async def totals(
    status: Status, verdicts: TypeCount, types: Mapping[str, TypeCount]
) -> dict[str, int]:
    """All counters since the start that are not zero, with those of verdicts and of types."""
    ledger = status.ledger
    found = Counter({"count": ledger.received, "bytes": ledger.bytes})
    for word, fates in OUTCOMES.items():
        found[f"count.{word}"] = sum(ledger.fates.get(fate, 0) for fate in fates)
        found[f"bytes.{word}"] = sum(ledger.fate_bytes.get(fate, 0) for fate in fates)
    for handler in status.handlers:
        found.update(handler.counters)
    for name, messages in verdicts.messages.items():
        found[name.replace("{}", "count")] += messages
        found[name.replace("{}", "bytes")] += verdicts.bytes[name]
    for where, dropped in status.sinks.losses.items():
        for reason, messages in dropped.items():
            found[f"dropped.{where}.{reason}"] += messages
    counters = {"count": 0, **+found}
    async for some in slices(list(types.items()), TYPES_AT_ONCE):
        for type, count in some:
            counters.update(_type_counters(type, count))
    return counters


def _type_counters(type: str, count: TypeCount) -> Iterator[tuple[str, int]]:
    """The counters of one type, by the names of the original and by ours for what came in."""
    for unit, words in (("count", count.messages), ("bytes", count.bytes)):
        if total := sum(words.values()):
            yield f"{unit}.msg.{type}", total
        for word, number in words.items():
            if number:
                yield f"{unit}.{word}.msg.{type}", number


class Statistics:
    """Writes the totals of one server, and what was new in the latest period."""

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._last: dict[str, int] = {}
        self._averages = Averages()
        self._infofile = InfoFile(log)

    def sample(self, total: Mapping[str, int]) -> None:
        """Take a sample for the averages; to be called every `averages.SAMPLE_INTERVAL` seconds."""
        self._averages.sample(total)

    async def write(self, status: Status, options: ServerOptions, total: dict[str, int]) -> None:
        """One line to the log, and the infofile anew, as the options say."""
        latest = await self._new(total)
        self._last = total
        line = ", ".join([f"{name}: {count}" for name, count in latest.items()])
        self._log.info("%s", OperatorText("{" + line + "}"))
        if not options.infofile or not options.infofile_level:
            return
        lines = head(status.process, options.stats_period)
        if options.infofile_level > 1:
            lines += [*await counts("total", total), *await counts("latest", latest)]
            lines += links(status)
        if options.infofile_level > 2:
            lines += await self._windows()
        self._infofile.write(Path(options.infofile), "\n".join(lines))

    async def settle(self) -> None:
        """Wait for a bounded time until the infofile is written."""
        await self._infofile.settle()

    async def _new(self, total: dict[str, int]) -> dict[str, int]:
        """What was counted since the last line."""
        latest: dict[str, int] = {}
        async for some in slices(list(total.items())):
            for name, count in some:
                if count > (last := self._last.get(name, 0)):
                    latest[name] = count - last
        return latest or {"count": 0}

    async def _windows(self) -> list[str]:
        lines = []
        for window in WINDOWS:
            await asyncio.sleep(0)
            found = list(self._averages.over(window))
            lines.append(f"[avg:{window}]")
            async for some in slices(found):
                lines += map(_average, some)
            lines.append("")
        return lines


def head(process: ProcessStatus, period: float) -> list[str]:
    """The lines of the infofile that say whose it is, and from when."""
    return [
        f"name: {process.name}",
        f"version: {process.version}",
        "service: ccserver",
        f"pid: {process.pid}",
        f"started: {_moment(process.started)}",
        "status: ",
        f"time-consumed: {' '.join(map(str, process.times[:4]))}",
        f"info-period: {period:g}",
        f"info-written: {_moment(process.time)}",
        f"platform: {process.platform}",
        f"python: {process.python}",
        *(f"{name}: not used" for name in UNUSED_LIBRARIES),
        "",
    ]


async def counts(title: str, found: Mapping[str, int]) -> list[str]:
    """A section of counters."""
    lines = [f"[{title}]"]
    async for some in slices(sorted(found)):
        lines += [f"{name}: {found[name]}" for name in some]
    return [*lines, ""]


def links(status: Status) -> list[str]:
    """The section with what handlers say of themselves."""
    return ["[links]", *(_facts(one) for one in status.handlers if one.facts), ""]


def _average(one: Average) -> str:
    return f"{one.name}: {one.total:.12g} {one.per_period:.12g} {one.per_second:.12g}"


def _facts(handler: HandlerStatus) -> str:
    facts = " ".join(f"{name}={value}" for name, value in handler.brief.items())
    return f"{handler.section}: {facts}"


def _moment(seconds: float) -> str:
    return f"{seconds:.2f} ({time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(seconds))})"
