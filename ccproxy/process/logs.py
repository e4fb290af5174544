"""Logging: formats, levels, the rotating file, and a rate limit for lines that repeat.

One fact is one line: line breaks in a text are escaped, so that the sender of a message cannot
forge a line. RateLimit is pure: time is an argument. Nothing here may log anything itself.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import sys
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

TRACE = 5
"""The level below DEBUG: single pings and whole flows, never bodies."""

LONG = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
"""`name` is the section of a handler, or CCServer. Operators need no names of functions."""
SHORT = "%(asctime)s,%(msecs)03d %(levelname)s %(name)s: %(message)s"
SHORT_TIME = "%H:%M:%S"

_CONTROLS = {
    code: f"\\x{code:02x}" for code in [*range(0x20), 0x7F, *range(0x80, 0xA0)] if code != 9
}
_ESCAPES = _CONTROLS | {10: "\\n", 13: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@dataclass(frozen=True, slots=True)
class Formats:
    """A line format and a time format of `logging`; empty = the default of the level."""

    line: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class LogPlan:
    """What is logged where: level, file with its rotation in bytes and old files, formats."""

    level: int = logging.INFO
    file: Path | None = None
    size: int = 10 * 1024 * 1024
    count: int = 3
    console: Formats = Formats()
    filed: Formats = Formats()


def level_of(quiet: bool, verbose: int) -> int:
    """The level for `-q` and the number of `-v`; `-v` takes precedence."""
    if verbose:
        return TRACE if verbose > 1 else logging.DEBUG
    return logging.WARNING if quiet else logging.INFO


def set_up(plan: LogPlan) -> None:
    """Log to stderr and to the file of the plan, instead of where was logged before.

    OSError if the file cannot be opened, ValueError for an invalid format.
    """
    Log(plan).begin()


def tear_down() -> None:
    """Close what `set_up` opened."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, OneLineFormatter):
            root.removeHandler(handler)
            _close(handler)


class Log:
    """A log that is open; nothing is written to it before `begin`."""

    def __init__(self, plan: LogPlan) -> None:
        verbose = plan.level < logging.INFO
        self._level = plan.level
        console: logging.Handler = Console()
        console.setFormatter(formatter(plan.console, verbose))
        self._handlers = [console]
        if plan.file is not None:
            rotating = File(plan.file, maxBytes=plan.size, backupCount=plan.count, encoding="utf-8")
            self._handlers.append(rotating)
            rotating.setFormatter(formatter(plan.filed, verbose))

    def begin(self) -> None:
        """Log to it, instead of to the log that was set up before."""
        logging.addLevelName(TRACE, "TRACE")
        tear_down()
        root = logging.getLogger()
        root.setLevel(self._level)
        for handler in self._handlers:
            root.addHandler(handler)

    def abandon(self) -> None:
        """Close it unused."""
        for handler in self._handlers:
            _close(handler)


def _close(handler: logging.Handler) -> None:
    """Close a handler, even if it cannot write what it holds because the disk is full."""
    with contextlib.suppress(OSError, ValueError):
        handler.close()


class ReportingHandler(logging.Handler):
    """A handler that reports lines it cannot write on stderr, in one line and at a limited rate."""

    place = "stderr"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reports = RateLimit()

    def handleError(self, record: logging.LogRecord) -> None:
        """Write to stderr why the line could not be written, and how many lines are lost."""
        lost = self._reports.ask("lost", time.monotonic())
        if lost is None:
            return
        error = sys.exception()
        why = getattr(error, "strerror", None) or f"{error!r} in a line of {record.name}"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"ccserver: cannot log to {self.place}: {why}, lines lost: {lost}\n")


class Console(ReportingHandler, logging.StreamHandler[TextIO]):
    """Logs to stderr."""


class File(ReportingHandler, logging.handlers.RotatingFileHandler):
    """Logs to a file that is rotated by size."""

    @property
    def place(self) -> str:  # type: ignore[override]
        """The path of the file."""
        return self.baseFilename


def formatter(formats: Formats, verbose: bool) -> OneLineFormatter:
    """The formatter with the operator's formats, or else with ours: the short ones if verbose."""
    line = formats.line or (SHORT if verbose else LONG)
    default_time = SHORT_TIME if verbose and not formats.line else None
    return OneLineFormatter(line, formats.time or default_time)


class OneLineFormatter(logging.Formatter):
    """A formatter that writes each record in one line, and indents the lines of a stack trace."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with the control characters of the text escaped."""
        record.message = record.message.translate(_ESCAPES)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        """The stack trace with each line indented, because its text may come from a message."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    | {line.translate(_ESCAPES)}" for line in text.splitlines())


@dataclass(slots=True)
class _Reported:
    at: float
    unreported: int = 0


class RateLimit:
    """Decides whether a line is written: at most once per key in `seconds`; others are summed up.

    At most `keys` keys are remembered. While all of them are younger than `seconds`, a line with a
    new key is only counted in `overflow`, so that a sender that invents keys fills neither the
    memory nor the log.
    """

    def __init__(self, seconds: float = 10.0, keys: int = 1024) -> None:
        self.seconds = seconds
        self.keys = keys
        self.overflow = 0
        self._reported: dict[Hashable, _Reported] = {}

    def ask(self, key: Hashable, now: float, amount: int = 1) -> int | None:
        """The amount to report now, including what was not reported before; None = no line."""
        reported = self._reported.get(key)
        if reported is None:
            return self._first(key, now, amount)
        if now - reported.at < self.seconds:
            reported.unreported += amount
            return None
        del self._reported[key]  # insert it again at the end: the table is in order of time
        self._reported[key] = _Reported(now)
        return reported.unreported + amount

    def expire(self, now: float) -> list[tuple[Hashable, int]]:
        """Forget keys whose time is over; return those with unreported amounts, and these."""
        over = []
        for key, reported in list(self._reported.items()):
            if now - reported.at < self.seconds:
                break
            del self._reported[key]
            if reported.unreported:
                over.append((key, reported.unreported))
        return over

    def _first(self, key: Hashable, now: float, amount: int) -> int | None:
        if len(self._reported) >= self.keys:
            oldest = next(iter(self._reported))
            if now - self._reported[oldest].at < self.seconds:
                self.overflow += amount
                return None
            self.overflow += self._reported.pop(oldest).unreported
        self._reported[key] = _Reported(now)
        return amount
