"""Logging: formats, levels, the rotating file, and a limit for lines that would repeat.

One fact is one line: line breaks in a text are escaped, so that nobody who sends messages can forge
a line. RateLimit is pure, time comes as an argument. Nothing here may log anything itself.
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

LONG = "%(asctime)s %(process)d %(levelname)s %(name)s.%(funcName)s: %(message)s"
SHORT = "%(asctime)s,%(msecs)03d %(levelname)s %(name)s.%(funcName)s: %(message)s"
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
    """The level for `-q` and the number of `-v`; verbose wins."""
    if verbose:
        return TRACE if verbose > 1 else logging.DEBUG
    return logging.WARNING if quiet else logging.INFO


def set_up(plan: LogPlan) -> None:
    """Log to stderr and to the file of the plan, instead of whatever was set up before.

    OSError if the file cannot be opened, ValueError for a format that is none.
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
        """Log to it, instead of whatever was set up before."""
        logging.addLevelName(TRACE, "TRACE")
        tear_down()
        root = logging.getLogger()
        root.setLevel(self._level)
        for handler in self._handlers:
            root.addHandler(handler)

    def abandon(self) -> None:
        """It will not be needed."""
        for handler in self._handlers:
            _close(handler)


def _close(handler: logging.Handler) -> None:
    """A full disk does not keep a file from being closed."""
    with contextlib.suppress(OSError, ValueError):
        handler.close()


class Modest(logging.Handler):
    """A handler that says seldom, and in one line, what it cannot write."""

    place = "stderr"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._complaints = RateLimit()

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell stderr why, and how many lines are lost."""
        lost = self._complaints.ask("lost", time.monotonic())
        if lost is None:
            return
        error = sys.exception()
        why = getattr(error, "strerror", None) or f"{error!r} in a line of {record.name}"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"ccserver: cannot log to {self.place}: {why}, lines lost: {lost}\n")


class Console(Modest, logging.StreamHandler[TextIO]):
    """Logs to stderr."""


class File(Modest, logging.handlers.RotatingFileHandler):
    """Logs to a file that is rotated by size."""

    @property
    def place(self) -> str:  # type: ignore[override]
        """The file."""
        return self.baseFilename


def formatter(formats: Formats, verbose: bool) -> OneLineFormatter:
    """The formatter for a place: the operator's formats, else ours; short ones when verbose."""
    line = formats.line or (SHORT if verbose else LONG)
    default_time = SHORT_TIME if verbose and not formats.line else None
    return OneLineFormatter(line, formats.time or default_time)


class OneLineFormatter(logging.Formatter):
    """A formatter whose output cannot be mistaken for two entries."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, control characters of the text escaped."""
        record.message = record.message.translate(_ESCAPES)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        """The stack trace, each line indented, because an exception's text may be anybody's."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    | {line.translate(_ESCAPES)}" for line in text.splitlines())


@dataclass(slots=True)
class _Said:
    at: float
    unsaid: int = 0


class RateLimit:
    """Decides whether a line is written: at most once per key in `seconds`, the others summed.

    At most `keys` keys are remembered; while all of them are fresh, a new one has to wait and is
    counted in `overflow`, so that hostile keys fill neither the memory nor the log.
    """

    def __init__(self, seconds: float = 10.0, keys: int = 1024) -> None:
        self.seconds = seconds
        self.keys = keys
        self.overflow = 0
        self._said: dict[Hashable, _Said] = {}

    def ask(self, key: Hashable, now: float, amount: int = 1) -> int | None:
        """The amount to report now, what went unsaid before included; None = say nothing."""
        said = self._said.get(key)
        if said is None:
            return self._first(key, now, amount)
        if now - said.at < self.seconds:
            said.unsaid += amount
            return None
        del self._said[key]  # the order of the table is the order of time
        self._said[key] = _Said(now)
        return said.unsaid + amount

    def expire(self, now: float) -> list[tuple[Hashable, int]]:
        """Forget keys whose time is over; those with something unsaid are returned with the sum."""
        over = []
        for key, said in list(self._said.items()):
            if now - said.at < self.seconds:
                break
            del self._said[key]
            if said.unsaid:
                over.append((key, said.unsaid))
        return over

    def _first(self, key: Hashable, now: float, amount: int) -> int | None:
        if len(self._said) >= self.keys:
            oldest = next(iter(self._said))
            if now - self._said[oldest].at < self.seconds:
                self.overflow += amount
                return None
            self.overflow += self._said.pop(oldest).unsaid
        self._said[key] = _Said(now)
        return amount
