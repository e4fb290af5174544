"""What one publisher is told of the prefixes that are wanted, as its outbox has room for it.

A prefix waits here until it can be sent; then what is sent is whether it is wanted at that moment.
So nothing is lost if the outbox is small, and 100,000 prefixes for a new publisher go in steps. It
must never keep a prefix twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ccproxy.core.outbox import Outbox
from ccproxy.wire.zmtp.frames import frame

CANCEL, SUBSCRIBE = b"\0", b"\1"
LISTS = 4
"""Long lists of prefixes that may wait; those of a further one are looked at at once, so that a
publisher that does not read holds each prefix only once."""
STEP = 500
"""Prefixes that are sent in one turn of the loop."""
BYTES = 256 * 1024
"""Bytes of prefixes from which on no more are added to those of one turn."""


class Wishes:
    """The subscriptions and cancellations on their way to one publisher."""

    def __init__(self, box: Outbox, wanted: Callable[[bytes], bool]) -> None:
        """`wanted` says whether a prefix is wanted now."""
        self.box = box
        self._wanted = wanted
        self._waiting: dict[bytes, None] = {}
        self._later: deque[tuple[Sequence[bytes], int]] = deque()
        """Long lists of prefixes, and how many of each `_waiting` has got: some in each turn."""
        self._due = False

    @property
    def waiting(self) -> int:
        """Prefixes that are not sent yet; one may be counted twice."""
        return len(self._waiting) + sum(len(some) - at for some, at in self._later)

    def tell(self, prefixes: Sequence[bytes]) -> None:
        """The publisher has to know about these prefixes."""
        if len(prefixes) > STEP and len(self._later) < LISTS:
            self._later.append((prefixes, 0))
        else:
            self._waiting.update(dict.fromkeys(prefixes))
        if not self._due:
            self._send()

    def stop(self) -> None:
        """The publisher has gone."""
        self._waiting.clear()
        self._later.clear()

    def _send(self) -> None:
        self._due = False
        waiting, box = self._waiting, self.box
        self._fill()
        messages = self._some() if self._has_room() else []
        if messages:
            box.offer(b"".join(messages), len(messages))
        if not waiting and not self._later:
            return
        self._due = True
        if messages and self._has_room():
            asyncio.get_running_loop().call_soon(self._send)
        else:
            box.wait(self._send)

    def _fill(self) -> None:
        """Let the next of many prefixes wait, if few do."""
        waiting, later = self._waiting, self._later
        while later and len(waiting) < STEP:
            some, at = later.popleft()
            waiting.update(dict.fromkeys(some[at : at + STEP]))
            if at + STEP < len(some):
                later.appendleft((some, at + STEP))

    def _some(self) -> list[bytes]:
        """The next messages, as many as fit into a turn and the outbox; a large one goes alone."""
        box, limits, waiting = self.box, self.box.limits, self._waiting
        most = min(STEP, max(1, limits.messages // 2)) if limits.messages else STEP
        room = min(BYTES, limits.bytes - box.bytes)
        messages: list[bytes] = []
        while waiting and len(messages) < most:
            prefix = next(iter(waiting))
            message = frame((SUBSCRIBE if self._wanted(prefix) else CANCEL) + prefix)
            if len(message) > room and (messages or box.waiting):
                break
            room -= len(message)
            del waiting[prefix]
            messages.append(message)
        return messages

    def _has_room(self) -> bool:
        limits, box = self.box.limits, self.box
        return 2 * box.bytes <= limits.bytes and (
            not limits.messages or 2 * box.waiting <= limits.messages
        )
