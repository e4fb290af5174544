"""The messages that one handler has accepted, and whose outcome it has not said yet.

Their number and bytes are limited, and so is the time: what has no outcome then has failed. Senders
wait while too much is open. It must never lose one without naming its fate.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ccproxy.core.sinks import Receipt
from ccproxy.core.verdict import Accepted, Full, LateOutcome, Queued

MOST_ACCEPTED = 10_000
"""Messages without an outcome for which senders begin to wait; of twice as many others are `full`,
because a run that is under way is not cut."""
ACCEPTED_BYTES = 64 * 1024 * 1024
"""The same for their bytes."""


class Settler(Protocol):
    """The part of the switch that is told what became of queued messages."""

    def finish(self, queued: Queued, outcome: LateOutcome) -> str:
        """Carry out what a receiver has answered, or count why it has not taken the message."""

    def abandon(self, queued: Queued) -> None:
        """The server stops before a receiver has dealt with a message."""


class AcceptedMessages:
    """See the module; a sink for as far as senders wait for it."""

    def __init__(
        self,
        name: str,
        settler: Settler,
        seconds: Callable[[], float],
        on_first: Callable[[], None],
        most: int = MOST_ACCEPTED,
    ) -> None:
        """`on_first` is called when the first message is accepted: before, no sender looks here."""
        self.name = name
        self.may_block = False
        self._settler = settler
        self._seconds = seconds
        self._on_first = on_first
        self._most = most
        self._open: OrderedDict[Accepted, float] = OrderedDict()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[Callable[[], None]] = []
        self._empty = asyncio.Event()
        self._thread = threading.get_ident()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def age(self) -> float:
        """Seconds since the oldest of them was accepted."""
        if not self._open:
            return 0.0
        return asyncio.get_running_loop().time() - next(iter(self._open.values()))

    @property
    def blocked(self) -> bool:
        """True while senders have to wait."""
        return len(self._open) >= self._most or self._bytes >= ACCEPTED_BYTES

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when senders need not wait any more."""
        self._waiters.append(call)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Never called: senders wait for it, and the handler sees the messages themselves."""
        raise TypeError("a handler sees messages one by one")

    def accept(self, accepted: Accepted) -> Accepted:
        """The handler has returned this; raises Full when far too much is open."""
        size = accepted.message.size
        if len(self._open) >= 2 * self._most or self._bytes >= 2 * ACCEPTED_BYTES:
            accepted.bind(_too_late)
            raise Full(f"{len(self._open)} accepted messages of {self._bytes} bytes are open")
        if not self.may_block:
            self.may_block = True
            self._on_first()
        loop = asyncio.get_running_loop()
        accepted.name = self.name
        if accepted not in self._open:
            self._open[accepted] = loop.time()
            self._bytes += size
        accepted.bind(partial(self._told, accepted))
        self._watch(loop)
        return accepted

    async def drained(self) -> None:
        """Wait until none is open; `accept-timeout` bounds the time."""
        while self._open:
            self._empty.clear()
            await self._empty.wait()

    def fail(self) -> int:
        """The handler has stopped, the server goes on: what is open has failed; its number."""
        return self._end(lambda one: self._settler.finish(one, RuntimeError("handler stopped")))

    def abandon(self) -> int:
        """The server stops: the sources of what is open send it again; its number."""
        return self._end(self._settler.abandon)

    def _end(self, call: Callable[[Accepted], object]) -> int:
        left = [*self._open]
        for accepted in left:
            self._remove(accepted)
            call(accepted)
        return len(left)

    def _told(self, accepted: Accepted, outcome: LateOutcome) -> bool:
        """The handler has said the outcome of a message; False if it has none any more."""
        if threading.get_ident() != self._thread:
            raise RuntimeError(f"[{self.name}] says an outcome in a thread, and not on the loop")
        if accepted not in self._open:
            return False
        self._remove(accepted)
        if accepted.ended is None:  # it is still being handed over
            loop = asyncio.get_running_loop()
            loop.call_soon(self._settler.finish, accepted, outcome)
        else:
            self._settler.finish(accepted, outcome)
        return True

    def _remove(self, accepted: Accepted) -> None:
        del self._open[accepted]
        self._bytes -= accepted.message.size
        if not self._open:
            self._empty.set()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if self._waiters and not self.blocked:
            waiters, self._waiters = self._waiters, []
            for call in waiters:
                call()

    def _expire(self) -> None:
        """Messages without an outcome in time have failed."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._open:
            accepted, since = next(iter(self._open.items()))
            seconds = self._seconds()
            if since + seconds > loop.time():
                self._watch(loop)
                return
            self._remove(accepted)
            late = RuntimeError(f"no outcome within accept-timeout = {seconds:g} s")
            self._settler.finish(accepted, late)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again when the time of the oldest message is over."""
        if self._open and self._timer is None:
            since = next(iter(self._open.values()))
            self._timer = loop.call_at(since + self._seconds(), self._expire)


def _too_late(outcome: LateOutcome) -> bool:
    return False
