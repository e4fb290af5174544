"""The handler `delay`: holds messages back for a time, then passes them on, in order.

The waiting messages are limited in bytes. A message for which there is no room ends as `full`; the
log reports it at most once in ten seconds, with the sum.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ccproxy import Full, Handler, Message, Plan, kinds, option

OUTCOMES = dict.fromkeys(("forwarded", "replied", "consumed", "discarded"), "ok")
"""Fate of a message that was passed on -> its counter; any other is `dropped`."""
RETRY_INTERVAL = 0.05
"""Seconds until the next attempt, if the target's queue is full and makes its senders wait."""
MESSAGE_OVERHEAD = 512
"""Bytes that a waiting message costs beyond its frames; they also limit empty messages."""
MAX_BATCH = 100
"""Messages passed on at a time; more would hold up the loop, and with it all other peers."""
LOG_INTERVAL = 10.0
"""Seconds between two log lines about dropped messages."""


class Delay(Handler):
    """A queue with one timer, which is set to the time when the first message is due."""

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

    def explain(self, type: str, plan: Plan) -> str:
        """How long it waits, and for which handler."""
        return f"waits {self.options.delay:g} s, then goes to {self.options.forward_to}"

    def handle(self, message: Message) -> None:
        """Queue the message; Full if there is no room."""
        self.count("", message)
        cost = message.size + MESSAGE_OVERHEAD
        if self.bytes + cost > self.options.queue:
            self.refuse(message)
        self.bytes += cost
        self.waiting.append((self.ctx.now() + self.options.delay, message))
        if len(self.waiting) == 1:
            self.ctx.call_later(self.options.delay, self.release)

    def release(self) -> None:
        """Pass on the messages that are due, and set the timer for the next one."""
        target = self.ctx.handler(self.options.forward_to)
        now = self.ctx.now()
        for _ in range(MAX_BATCH):
            if not self.waiting or self.waiting[0][0] > now:
                break
            message = self.waiting[0][1]
            fate = self.ctx.dispatch(target, message)
            if fate == "waits":
                self.ctx.call_later(RETRY_INTERVAL, self.release)
                return
            self.waiting.popleft()
            self.bytes -= message.size + MESSAGE_OVERHEAD
            self.count(f".{OUTCOMES.get(fate, 'dropped')}", message)
        if self.waiting:
            self.ctx.call_later(max(0.0, self.waiting[0][0] - now), self.release)

    def refuse(self, message: Message) -> None:
        """Count a message for which there is no room, and raise Full; plan a log line about it."""
        self.count(".full", message)
        self.full += 1
        if self.full == 1:
            self.ctx.call_later(LOG_INTERVAL, self.report)
        raise Full

    def report(self) -> None:
        """Log for how many messages there was no room since the last line."""
        self.ctx.log.warning("queue full dropped=%d queue=%d", self.full, self.options.queue)
        self.full = 0

    def count(self, suffix: str, message: Message) -> None:
        """Add to the pair of counters of messages and bytes."""
        self.ctx.count(f"delay.count{suffix}")
        self.ctx.count(f"delay.bytes{suffix}", message.size)

    async def stop(self) -> None:
        """Give up the messages that still wait; the log and the counters say how many are lost."""
        if not self.waiting:
            return
        for _, message in self.waiting:
            self.count(".lost", message)
        self.ctx.log.warning("stopped lost=%d bytes=%d", len(self.waiting), self.bytes)
        self.waiting.clear()
        self.bytes = 0
