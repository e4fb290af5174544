"""What is in the place of a handler that is stopped for a while: its senders wait.

It must never take a message.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.core.message import Actions, Message
from ccproxy.core.sinks import Receipt
from ccproxy.core.verdict import Forward, Full


class Absent:
    """In the place of a handler that is stopped for a while: a sink for which senders wait."""

    exclusive = False
    may_block = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.blocked = True
        self._waiting: list[Callable[[], None]] = []

    def decide(self, type: str) -> Forward:
        """Every type waits."""
        return Forward(self)

    def handle(self, message: Message) -> Actions:
        """Not called: nothing is delivered."""
        raise Full

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Of senders that cannot wait nothing is taken."""
        return 0

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, at the end of the wait."""
        self._waiting.append(call)

    def end(self) -> None:
        """Senders go on: with the handler if it is back, else what they sent ends as `full`."""
        self.blocked = False
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
