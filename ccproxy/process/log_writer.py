"""Threads that write log lines: a pipe that is not read, or a slow disk, stops only its thread.

Lines wait in a bounded queue; when it is full, further lines are lost, counted, and the count is
written as soon as the thread gets through. Nothing here may make the caller of `put` wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from ccproxy.process.rate_limit import RateLimit

QUEUE_LIMIT = 4 * 1024 * 1024
"""Characters that wait for one destination."""
SUCCESSION_TIMEOUT = 2.0
"""Seconds that a thread waits until those it replaces have written what they hold."""


class LogDestination(Protocol):
    """Where lines go: stderr or a file. All of it may block; one thread at a time calls it."""

    name: str

    def write(self, lines: list[str]) -> None:
        """Write lines, each with its line break; OSError if it cannot."""

    def close(self) -> None:
        """Nothing is written any more."""


class Writer:
    """The queue and the thread of one destination."""

    def __init__(
        self,
        destination: LogDestination,
        note: Callable[[str], str],
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`note` makes a line of a text of ours; `report` says elsewhere what is wrong here."""
        self.destination = destination
        self.lost = 0
        """Lines that found the queue full since the thread last took it."""
        self._failed = 0
        """Lines that could not be written since the last time that one could."""
        self._note = note
        self._report = report
        self._reports = RateLimit()
        self._queue: deque[str] = deque()
        self._size = 0
        self._ended = False
        self._changed = threading.Condition()
        self._before: tuple[Writer, ...] = ()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)

    def start(self, before: Iterable[Writer] = ()) -> None:
        """Begin to write, after those that wrote before have finished."""
        self._before = tuple(before)
        self._thread.start()

    def put(self, line: str) -> None:
        """Let a line be written, or count it as lost; to be called in any thread."""
        with self._changed:
            if self._size + len(line) > QUEUE_LIMIT:
                self.lost += 1
                return
            self._queue.append(line)
            self._size += len(line)
            self._changed.notify()

    def end(self) -> None:
        """Let the thread end once the queue is empty; the lines put from now on are not written."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def wait(self, seconds: float) -> bool:
        """Wait until the thread has ended, at most for this time; True if it has."""
        self._thread.join(max(seconds, 0.0))
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Close a destination that was never started."""
        self.destination.close()

    def _run(self) -> None:
        deadline = time.monotonic() + SUCCESSION_TIMEOUT
        for one in self._before:
            one.wait(deadline - time.monotonic())
        self._before = ()
        while (taken := self._next()) is not None:
            self._write(*taken)
        try:
            self.destination.close()
        except OSError as error:
            self._say(error, 0)

    def _next(self) -> tuple[list[str], int] | None:
        """All lines that wait, as soon as there are some, and how many were lost behind them."""
        with self._changed:
            while not self._queue:
                if self._ended:
                    return None
                self._changed.wait()
            lines, lost = list(self._queue), self.lost
            self._queue.clear()
            self._size = self.lost = 0
            return lines, lost

    def _write(self, lines: list[str], lost: int) -> None:
        before = [self._account(self._failed)] if self._failed else []
        after = [self._account(lost)] if lost else []
        try:
            self.destination.write([*before, *lines, *after])
        except OSError as error:
            self._failed += len(lines) + lost
            self._say(error, len(lines) + lost)
            return
        self._failed = 0

    def _account(self, lost: int) -> str:
        return self._note(f"log lines lost here: {lost}")

    def _say(self, error: OSError, lost: int) -> None:
        total = self._reports.ask("lost", time.monotonic(), lost)
        if total is not None:
            why = error.strerror or str(error)
            self._report(f"cannot log to {self.destination.name}: {why}, lines lost: {total}")
