"""Long computations in short steps, so that no turn of the loop takes long: conversions of values.

A computation is a generator that yields after at most about a millisecond. In each turn of the loop
all of them together get `TURN` seconds, one after the other; then the loop reads and writes.

    added -> waits (too many bytes are in work) -> runs -> done | failed | not wanted any more

Those that wait hold what their makers hold already, and nothing more. It must never know what is
computed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A computation that yields between its steps, and returns its result."""

TURN = 0.003
"""Seconds in one turn of the loop for all computations together."""
QUANTUM = 0.001
"""Seconds for one of them before it is the turn of the next."""
MAX_WORK = 16 << 20
"""Bytes of input in work, of all peers together; a larger one is computed alone. Small ones have
as much for themselves, so that they need not wait for large ones."""
FEW_STEPS = 4
"""Steps that are computed at once: what is done then needs no turn of its own."""
SMALL = 256 * 1024
"""Bytes up to which an input is small."""


def _always() -> bool:
    return True


@dataclass(slots=True)
class Computation:
    """One computation. `size` is that of its input in bytes; it ends as soon as it is not `wanted`.

    `failed` is called with an exception that nothing in `steps` expects.
    """

    steps: Steps[None]
    size: int
    failed: Callable[[Exception], None]
    wanted: Callable[[], bool] = field(default=_always)


@dataclass(slots=True)
class _Share:
    """The computations of one class of sizes: those that run, and those that wait."""

    waiting: deque[Computation] = field(default_factory=deque)
    running: int = 0

    def next(self) -> Computation | None:
        """One that may begin now."""
        waiting = self.waiting
        if waiting and (not self.running or self.running + waiting[0].size <= MAX_WORK):
            self.running += waiting[0].size
            return waiting.popleft()
        return None


class WorkQueue:
    """All computations of a server, in one queue."""

    def __init__(self) -> None:
        self._running: deque[Computation] = deque()
        self._shares = (_Share(), _Share())
        self._due = False

    def __len__(self) -> int:
        return len(self._running) + sum(len(one.waiting) for one in self._shares)

    def add(self, work: Computation) -> None:
        """Begin with the next turn of the loop, or when there is room."""
        self._share(work).waiting.append(work)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _share(self, work: Computation) -> _Share:
        return self._shares[work.size > SMALL]

    def _turn(self) -> None:
        end = perf_counter() + TURN
        while True:
            for share in self._shares:
                while found := share.next():
                    self._running.append(found)
            if not self._running:
                self._due = False
                return
            work = self._running.popleft()
            if self._run(work, min(perf_counter() + QUANTUM, end)):
                self._running.append(work)
            else:
                self._share(work).running -= work.size
            if perf_counter() >= end:
                break
        asyncio.get_running_loop().call_soon(self._turn)

    def _run(self, work: Computation, end: float) -> bool:
        """Compute until `end`; False if it is over."""
        try:
            if not work.wanted():
                work.steps.close()
                return False
            while True:
                next(work.steps)
                if perf_counter() >= end:
                    return True
        except StopIteration:
            return False
        except Exception as error:
            work.failed(error)
            return False


def quick(steps: Generator[Any, None, T]) -> tuple[T] | None:
    """The result of a computation of few steps; None if it is still to be gone on with."""
    try:
        for _ in range(FEW_STEPS):
            next(steps)
    except StopIteration as done:
        return (done.value,)
    return None


def result(steps: Generator[Any, None, T]) -> T:
    """The result of a computation, all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found
