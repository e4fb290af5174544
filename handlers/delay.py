"""The handler `delay`: holds messages back for a time, then passes them on, in order.

What waits is limited in bytes. A message that finds no room ends as `full`; the log says so at
most once in ten seconds, with the sum.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ccproxy import Full, Handler, Message, kinds, option

OUTCOMES = dict.fromkeys(("forwarded", "replied", "consumed", "discarded"), "ok")
"""Fate of a message that was passed on -> its counter; any other is `dropped`."""
AGAIN = 0.05
"""Seconds until a queue behind, whose senders have to wait, is looked at again."""
OVERHEAD = 512
"""Bytes a waiting message costs beyond its frames, so that empty messages are limited too."""
BATCH = 100
"""Messages passed on in one go; more would keep the loop from everybody else."""
QUIET = 10.0
"""Seconds between two log lines about dropped messages."""


class Delay(Handler):
    """A queue with one timer, set to the moment the first message is due."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The options of a `delay` section."""

        forward_to: str = option(kinds.section, help="handler section that gets the messages later")
        delay: float = option(kinds.duration("s"), default=0.0, help="how long a message waits")
        queue: int = option(
            kinds.size, default=64 * 1024 * 1024, help="bytes that may wait; the newest are dropped"
        )

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.waiting: deque[tuple[float, Message]] = deque()
        self.bytes = 0
        self.full = 0

    def handle(self, message: Message) -> None:
        """Queue the message; Full when there is no room."""
        self.count("", message)
        cost = message.size + OVERHEAD
        if self.bytes + cost > self.options.queue:
            self.refuse(message)
        self.bytes += cost
        self.waiting.append((self.ctx.now() + self.options.delay, message))
        if len(self.waiting) == 1:
            self.ctx.call_later(self.options.delay, self.release)

    def release(self) -> None:
        """Pass on what is due, and set the timer for what is left."""
        target = self.ctx.handler(self.options.forward_to)
        now = self.ctx.now()
        for _ in range(BATCH):
            if not self.waiting or self.waiting[0][0] > now:
                break
            message = self.waiting[0][1]
            fate = self.ctx.dispatch(target, message)
            if fate == "waits":
                self.ctx.call_later(AGAIN, self.release)
                return
            self.waiting.popleft()
            self.bytes -= message.size + OVERHEAD
            self.count(f".{OUTCOMES.get(fate, 'dropped')}", message)
        if self.waiting:
            self.ctx.call_later(max(0.0, self.waiting[0][0] - now), self.release)

    def refuse(self, message: Message) -> None:
        """Count a message without room, and raise Full; the first one starts the log's clock."""
        self.count(".full", message)
        self.full += 1
        if self.full == 1:
            self.ctx.call_later(QUIET, self.report)
        raise Full

    def report(self) -> None:
        """Say how many messages found no room since the last time."""
        self.ctx.log.warning("queue full dropped=%d queue=%d", self.full, self.options.queue)
        self.full = 0

    def count(self, suffix: str, message: Message) -> None:
        """Add to the pair of counters of messages and bytes."""
        self.ctx.count(f"delay.count{suffix}")
        self.ctx.count(f"delay.bytes{suffix}", message.size)

    async def stop(self) -> None:
        """What still waits is lost; the log and the counters say how much."""
        if not self.waiting:
            return
        for _, message in self.waiting:
            self.count(".lost", message)
        self.ctx.log.warning("stopped lost=%d bytes=%d", len(self.waiting), self.bytes)
        self.waiting.clear()
        self.bytes = 0
