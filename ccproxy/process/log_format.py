"""What a log line looks like: formats, levels, the one line of each record, and its bounds.

One fact is one line of bounded length: texts are escaped and cut here, because every record of
every logger passes here, and the sender of a message decides what is in some of them. This module
must never write a line.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Number
from typing import Any

from ccproxy.wire.text import OPERATOR_LIMIT, OperatorText, escaped, shortened

TRACE = 5
"""The level below DEBUG: single pings and whole flows, never bodies."""

LONG = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
"""`name` is the section of a handler, or CCServer. Operators need no names of functions."""
SHORT = "%(asctime)s,%(msecs)03d %(levelname)s %(name)s: %(message)s"
SHORT_TIME = "%H:%M:%S"
JOURNAL = "%(name)s: %(message)s"
"""The journal of systemd has time, process and priority of each line in fields of their own."""

INDENT = "    | "
"""In front of each line of a stack trace."""
LINE_LIMIT = 4096
"""Characters of a whole message, if no argument of it is an OperatorText."""
TRACE_LINES = 200
"""Lines of a stack trace; the text of an exception can have any number of them."""

_PRIORITIES = (
    (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6),
)  # fmt: skip
_DEBUG_PRIORITY = 7

Form = Callable[[logging.LogRecord], str]
"""Makes the text of a record."""


@dataclass(frozen=True, slots=True)
class Formats:
    """A line format and a time format of `logging`; empty = the default of the level.

    With `json` each line is an object of JSON instead.
    """

    line: str = ""
    time: str = ""
    json: bool = False


def formatter(formats: Formats, verbose: bool) -> OneLineFormatter:
    """The formatter with the operator's formats, or else with ours: the short ones if verbose."""
    if formats.json:
        return JsonFormatter()
    line = formats.line or (SHORT if verbose else LONG)
    default_time = SHORT_TIME if verbose and not formats.line else None
    return OneLineFormatter(line, formats.time or default_time)


def journal_form(formats: Formats) -> Form:
    """The form for the journal of systemd: `<N>` with the priority in front of each line.

    Source: sd-daemon(3).
    """
    own = OneLineFormatter(formats.line or JOURNAL, formats.time or None)
    lines = JsonFormatter() if formats.json else own

    def form(record: logging.LogRecord) -> str:
        prefix = f"<{priority(record.levelno)}>"
        return "\n".join(prefix + line for line in lines.format(record).split("\n"))

    return form


def priority(level: int) -> int:
    """The priority of syslog for a level of `logging`."""
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG_PRIORITY)


class OneLineFormatter(logging.Formatter):
    """A formatter that writes each record in one line, and indents the lines of a stack trace."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with the control characters of the text escaped."""
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        """The stack trace with each line indented, because its text may come from a message."""
        lines = super().formatException(ei).splitlines()  # type: ignore[arg-type]
        half = TRACE_LINES // 2
        if len(lines) > TRACE_LINES:
            left_out = f"... ({len(lines) - TRACE_LINES} lines left out)"
            lines = [*lines[:half], left_out, *lines[-half:]]
        return "\n".join(f"{INDENT}{shortened(line)}" for line in lines)


class JsonFormatter(OneLineFormatter):
    """Each record as one object of JSON in one line, for programs that collect logs.

    Its texts are those of the other formats: cut, and with control characters escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line: time in UTC, level, name (a section or CCServer), process, text, trace."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        value: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"), "level": record.levelname,
            "name": record.name, "process": record.process, "text": escaped(record.getMessage()),
        }  # fmt: skip
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            value["trace"] = [line.removeprefix(INDENT) for line in lines]
        return json.dumps(value)


def bounded(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of a record with its text finished: each argument and the whole have a limit.

    Whatever the text of an argument does raises here.
    """
    made = copy.copy(record)
    args: Any = record.args
    values = tuple(args.values()) if isinstance(args, Mapping) else args or ()
    if isinstance(args, Mapping):
        made.args = {key: _limited(value) for key, value in args.items()}
    else:
        made.args = tuple(map(_limited, values))
    wanted = any(isinstance(value, OperatorText) for value in values)
    made.msg = shortened(made.getMessage(), OPERATOR_LIMIT + LINE_LIMIT if wanted else LINE_LIMIT)
    made.args = ()
    if record.exc_info:
        made.exc_text = None  # another handler may have left its own form of the trace there
    return made


def without_form(record: logging.LogRecord, error: BaseException) -> logging.LogRecord:
    """The record to write instead of one whose text cannot be made."""
    why = shortened(f"{type(error).__name__}: {error}")
    text = f"a log line has no form, {why}: {shortened(str(record.msg))}"
    return logging.LogRecord(
        record.name, logging.ERROR, record.pathname, record.lineno, text, (), None, record.funcName
    )


def _limited(value: object) -> object:
    if value is None or isinstance(value, Number):
        return value
    if isinstance(value, OperatorText):
        return shortened(value, OPERATOR_LIMIT)
    return _Limited(value)


class _Limited:
    """Any value as the argument of a log line: its text is cut, for `%s` and for `%r`."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return shortened(str(self._value))

    def __repr__(self) -> str:
        value = self._value
        # The text of a long string is cut first, because its `repr` takes as long as it is.
        return shortened(repr(value[:1000] if isinstance(value, str | bytes) else value))
