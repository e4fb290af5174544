"""Statistics as the original wrote them: one log line each period, and the infofile.

Names of counters are those of the original (count, bytes, .ok, .dropped, .crashed, .invalid). Where
the original mixed losses of queues into the counts of messages, ours come from the ledger. For each
type there is what came in, not what became of it (`count.msg.TYPE`). It renders a Status, and must
never look at the server itself or count anything.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ccproxy.config.server import ServerOptions
from ccproxy.core.averages import WINDOWS, Average, Averages
from ccproxy.net.notices import ServerLog
from ccproxy.server.infofile import InfoFile
from ccproxy.server.status import HandlerStatus, ProcessStatus, Status, TypeStatus
from ccproxy.wire.text import OperatorText

OUTCOMES = {
    "ok": ("forwarded", "replied", "consumed", "discarded"),
    "dropped": ("unrouted", "full", "gone", "refused", "too-big"),
    "crashed": ("failed",),
    "invalid": ("malformed",),
}
"""Word of the original -> the fates it stands for."""


def totals(status: Status, types: Iterable[TypeStatus] = ()) -> Counter[str]:
    """All counters since the start, with two for each of these message types."""
    ledger = status.ledger
    found = Counter({"count": ledger.received, "bytes": ledger.bytes})
    for word, fates in OUTCOMES.items():
        found[f"count.{word}"] = sum(ledger.fates.get(fate, 0) for fate in fates)
        found[f"bytes.{word}"] = sum(ledger.fate_bytes.get(fate, 0) for fate in fates)
    for one in types:
        found[f"count.msg.{one.type}"] += one.messages
        found[f"bytes.msg.{one.type}"] += one.bytes
    for handler in status.handlers:
        found.update(handler.counters)
    return +found


class Statistics:
    """Writes the totals of one server, and what was new in the latest period."""

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._last: Counter[str] = Counter()
        self._averages = Averages()
        self._infofile = InfoFile(log)

    def sample(self, status: Status, types: Iterable[TypeStatus]) -> None:
        """Take a sample for the averages; to be called every `averages.SAMPLE_INTERVAL` seconds."""
        self._averages.sample(totals(status, types))

    def write(self, status: Status, options: ServerOptions, types: Iterable[TypeStatus]) -> None:
        """One line to the log, and the infofile anew, as the options say."""
        total = totals(status, types)
        latest = +Counter({name: count - self._last[name] for name, count in total.items()})
        self._last = total
        shown = dict(latest) or {"count": 0}
        line = ", ".join(f"{name}: {count}" for name, count in shown.items())
        self._log.info("%s", OperatorText("{" + line + "}"))
        if options.infofile and options.infofile_level:
            lines = head(status.process, options.stats_period)
            if options.infofile_level > 1:
                lines += [*counts("total", total), *counts("latest", latest), *links(status)]
            if options.infofile_level > 2:
                lines += self._windows()
            self._infofile.write(Path(options.infofile), "\n".join(lines))

    async def settle(self) -> None:
        """Wait for a bounded time until the infofile is written."""
        await self._infofile.settle()

    def _windows(self) -> list[str]:
        lines = []
        for window in WINDOWS:
            lines += [f"[avg:{window}]", *map(_average, self._averages.over(window)), ""]
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
        "",
    ]


def counts(title: str, found: Counter[str]) -> list[str]:
    """A section of counters."""
    return [f"[{title}]", *(f"{name}: {found[name]}" for name in sorted(found)), ""]


def links(status: Status) -> list[str]:
    """The section with what handlers say of themselves."""
    return ["[links]", *(_facts(one) for one in status.handlers if one.facts), ""]


def _average(one: Average) -> str:
    return f"{one.name}: {one.total:.12g} {one.per_period:.12g} {one.per_second:.12g}"


def _facts(handler: HandlerStatus) -> str:
    facts = " ".join(f"{name}={value}" for name, value in handler.facts.items())
    return f"{handler.section}: {facts}"


def _moment(seconds: float) -> str:
    return f"{seconds:.2f} ({time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(seconds))})"
