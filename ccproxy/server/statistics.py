"""Statistics as the original wrote them: one log line each period, and the infofile.

Names of counters are those of the original (count, bytes, .ok, .dropped, .crashed, .invalid);
where the original mixed queue losses into the counts of messages, ours come from the ledger. Per
type there is what came in, not what became of it (`count.msg.TYPE`). It
must never count anything itself.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccproxy import __version__
from ccproxy.core.averages import PERIOD, WINDOWS, Average, Averages
from ccproxy.core.switch import Switch

if TYPE_CHECKING:
    from ccproxy.server.server import Server

OUTCOMES = {
    "ok": ("forwarded", "replied", "consumed", "discarded"),
    "dropped": ("unrouted", "full", "gone", "refused", "too-big"),
    "crashed": ("failed",),
    "invalid": ("malformed",),
}
"""Word of the original -> the fates it stands for."""


def totals(switch: Switch, per_type: bool) -> Counter[str]:
    """All counters of a switch since the start; `per_type` adds two for each type in the table."""
    ledger = switch.ledger
    found = Counter({"count": ledger.received, "bytes": ledger.bytes})
    for word, fates in OUTCOMES.items():
        found[f"count.{word}"] = sum(ledger.fates[fate] for fate in fates)
        found[f"bytes.{word}"] = sum(ledger.fate_bytes[fate] for fate in fates)
    if per_type:
        found["count.msg.other"] = switch.table.other.count
        found["bytes.msg.other"] = switch.table.other.bytes
        for raw, flow in switch.table.flows.items():
            type = raw.decode("ascii", "replace")
            found[f"count.msg.{type}"] = flow.count
            found[f"bytes.msg.{type}"] = flow.bytes
    return +found


class Statistics:
    """Writes the totals of one server, and what was new in the latest period."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started = time.time()
        self._last: Counter[str] = Counter()
        self._averages = Averages()

    async def run(self) -> None:
        """Write each period, until cancelled."""
        while True:
            await asyncio.sleep(self._server.plan.server.stats_period)
            self.write()

    async def sample(self) -> None:
        """Take samples for the averages, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            if self._server.plan.server.infofile_level > 2:
                self._averages.sample(self._total())

    def write(self) -> None:
        """One line to the log, and the infofile anew."""
        options = self._server.plan.server
        if not options.cc_stats:
            return
        total = self._total()
        latest = +Counter({name: count - self._last[name] for name, count in total.items()})
        self._last = total
        shown = dict(latest) or {"count": 0}
        line = ", ".join(f"{name}: {count}" for name, count in shown.items())
        self._server.log.info("%s", "{" + line + "}")
        if options.infofile and options.infofile_level:
            self._write_file(Path(options.infofile), total, latest)

    def _total(self) -> Counter[str]:
        per_type = self._server.plan.server.cc_stats > 1
        return totals(self._server.switch, per_type) + self._server.handlers.counters()

    def _write_file(self, path: Path, total: Counter[str], latest: Counter[str]) -> None:
        options = self._server.plan.server
        lines = self._head(options.stats_period)
        if options.infofile_level > 1:
            for title, counts in (("total", total), ("latest", latest)):
                lines += [f"[{title}]", *(f"{name}: {counts[name]}" for name in sorted(counts)), ""]
            lines += ["[links]", *map(_facts, self._server.handlers.status()), ""]
        if options.infofile_level > 2:
            for window in WINDOWS:
                lines += [f"[avg:{window}]", *map(_average, self._averages.over(window)), ""]
        fresh = path.with_name(path.name + ".new")
        try:
            fresh.write_text("\n".join(lines), encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            key = f"cannot write {path}"
            self._server.log.often(key, "cannot write %s: %s", path, error.strerror)

    def _head(self, period: float) -> list[str]:
        used = os.times()
        return [
            f"name: {self._server.plan.job_name}",
            f"version: {__version__}",
            "service: ccserver",
            f"pid: {os.getpid()}",
            f"started: {_moment(self._started)}",
            "status: ",
            f"time-consumed: {used.user} {used.system} {used.children_user} {used.children_system}",
            f"info-period: {period:g}",
            f"info-written: {_moment(time.time())}",
            f"platform: {platform.system()}-{platform.machine()}",
            f"python: {platform.python_version()}",
            "",
        ]


def _average(one: Average) -> str:
    return f"{one.name}: {one.total:.12g} {one.per_period:.12g} {one.per_second:.12g}"


def _facts(status: tuple[str, Mapping[str, Any]]) -> str:
    section, facts = status
    return f"{section}: " + " ".join(f"{name}={value}" for name, value in facts.items())


def _moment(seconds: float) -> str:
    return f"{seconds:.2f} ({time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(seconds))})"
