"""What the reading half of one connection holds of unfinished messages, on the server's account.

It must never read: it tells its owner to pause and to go on.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.core.memory import LEAST_SHARE, Memory

COUNTED = 1024
"""Reads of fewer bytes are counted by the next sweep, unless something is on the account already: a
small message then costs nothing here."""
NO_MEMORY = "its message that has begun needs more memory than there is, see `memory`"


class InputAccount:
    """One connection's part of the account; a `ReadingHalf`, see `core.memory`."""

    __slots__ = ("_close", "_memory", "_pause", "_resume", "_resumed", "held", "name")

    def __init__(
        self,
        memory: Memory,
        name: str,
        pause: Callable[[], None],
        resume: Callable[[], None],
        close: Callable[[str], None],
    ) -> None:
        self.name = name
        self.held = 0
        """Bytes on the account."""
        self._memory = memory
        self._resumed = False
        self._pause, self._resume, self._close = pause, resume, close

    def count(self, held: int) -> None:
        """The connection holds so many bytes now; it pauses if that is too much."""
        memory = self._memory
        memory.used += held - self.held
        self.held = held
        self._resumed = self._resumed and held > LEAST_SHARE
        if memory.used > memory.near and memory.crowded(held, self._resumed):
            memory.held_back[self] = held
            self._pause()

    def yield_to(self) -> None:
        """Pause if a queue over its share has got more by the latest read."""
        memory = self._memory
        queue, memory.pressed = memory.pressed, None
        if queue is not None:
            self._pause()
            queue.wait(self._resume)

    def end(self) -> None:
        """The connection is closed."""
        memory = self._memory
        memory.used -= self.held
        self.held = 0
        memory.held_back.pop(self, None)

    def read_on(self) -> None:
        """There is memory again."""
        self._resumed = True
        self._resume()

    def give_up(self) -> None:
        """Close the connection."""
        self._close(NO_MEMORY)
