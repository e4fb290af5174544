"""Logging: what is logged where, set up, replaced and ended as a whole.

Lines are made where they are logged, and written by a thread for each destination. Nothing here
may log anything itself, or wait for a destination, except `tear_down`, which waits for a bounded
time.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccproxy.process.log_destinations import LogFile, Stderr
from ccproxy.process.log_format import (
    TRACE,
    Form,
    Formats,
    bounded,
    formatter,
    journal_form,
    without_form,
)
from ccproxy.process.log_writer import Writer
from ccproxy.process.systemd import is_journal

FLUSH_TIMEOUT = 2.0
"""Seconds that the end of the process waits until the last lines are written."""
FLUSH_PART = 0.1
"""They are waited for in such parts: while a busy machine lets the whole process stand still, when
no thread can write, not more than one of them passes."""


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
    """End what `set_up` began; wait until all lines are written, at most `FLUSH_TIMEOUT`."""
    seconds = FLUSH_TIMEOUT
    writers = _take_present()
    # The writer of a file reports its failures to that of stderr, which is first in the list and
    # ends last, so that such a report is still written.
    for left in range(len(writers), 0, -1):
        writers[left - 1].end()
        share = seconds / left
        while share > 0 and not writers[left - 1].wait(min(share, FLUSH_PART)):
            share -= FLUSH_PART
            seconds -= FLUSH_PART


class Log:
    """A log that is open; nothing is written to it before `begin`."""

    def __init__(self, plan: LogPlan) -> None:
        self._level = plan.level
        verbose = plan.level < logging.INFO
        stderr = Stderr()
        form: Form = formatter(plan.console, verbose).format
        if stderr.descriptor is not None and is_journal(stderr.descriptor):
            form = journal_form(plan.console)
        console = Writer(stderr, partial(_note, form))
        outputs = [Output(form, console)]
        if plan.file is not None:
            file = LogFile(plan.file, plan.size, plan.count)
            filed = formatter(plan.filed, verbose).format
            note = partial(_note, filed)
            outputs.append(Output(filed, Writer(file, note, _reporter(form, console))))
        self._outputs = tuple(outputs)

    def begin(self) -> None:
        """Log to it, instead of to the log that was set up before."""
        logging.addLevelName(TRACE, "TRACE")
        before = _take_present()
        for writer in before:
            writer.end()
        for output in self._outputs:
            output.writer.start(before)
        root = logging.getLogger()
        root.setLevel(self._level)
        root.addHandler(LogHandler(self._outputs))

    def abandon(self) -> None:
        """Close it unused."""
        for output in self._outputs:
            output.writer.abandon()


@dataclass(frozen=True, slots=True)
class Output:
    """A destination and the form of its lines."""

    form: Form
    writer: Writer


class LogHandler(logging.Handler):
    """Makes the lines of each record, and gives them to the writers."""

    def __init__(self, outputs: tuple[Output, ...]) -> None:
        super().__init__()
        self.outputs = outputs

    def emit(self, record: logging.LogRecord) -> None:
        """Make the lines of a record, or a line that says why they cannot be made."""
        try:
            self._put(bounded(record))
        except Exception:  # of the text of any argument, whichever class it has
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Log why a record has no form."""
        error = sys.exception()
        assert error is not None
        self._put(without_form(record, error))

    def _put(self, record: logging.LogRecord) -> None:
        for output in self.outputs:
            output.writer.put(output.form(record) + "\n")


def _take_present() -> list[Writer]:
    """Take the present log away from the root logger; its writers, which go on until `end`."""
    root = logging.getLogger()
    writers = []
    for handler in list(root.handlers):
        if isinstance(handler, LogHandler):
            root.removeHandler(handler)
            handler.close()
            writers += [output.writer for output in handler.outputs]
    return writers


def _note(form: Form, text: str) -> str:
    """A line of the log about the log."""
    made = logging.LogRecord("CCServer", logging.WARNING, __file__, 0, text, (), None)
    return form(made) + "\n"


def _reporter(form: Form, console: Writer) -> Callable[[str], None]:
    return lambda text: console.put(_note(form, text))
