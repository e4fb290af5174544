"""The receivers that run a handler's `handle`: on the loop, with its time taken, or in a thread.

A handler that declares `runs = "thread"` gets its own thread and a bounded queue. It must never let
such a handler delay the switch, nor leave a handler that delays the loop unnamed.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import NoReturn, TypeVar

from ccproxy.core.message import Actions, Message, NativeAnswer, Reply, Send
from ccproxy.core.plugin_code import file_of
from ccproxy.core.verdict import Accepted, Full, LateOutcome, Queued
from ccproxy.handler import Handler
from ccproxy.net.latencies import SampledTimes
from ccproxy.net.notices import ServerLog
from ccproxy.server.accepted import AcceptedMessages, Settler

SLOW_HANDLER_AFTER = 0.005
"""Seconds a handler on the loop may take."""
PROCESSOR_INTERVAL = 0.001
"""Seconds after which the processor time is asked for again, which costs as much as a small
handler. What is said of a slow call may be too high by so much."""
QUEUE = 10_000
"""Messages that may wait for a handler with a thread; more are `full`."""
QUEUE_BYTES = 64 * 1024 * 1024
"""Bytes of messages that may wait for a handler with a thread."""
ACTIONS = (Reply, Send, NativeAnswer)
SWITCH_INTERVAL = 0.0005
"""Seconds after which Python takes the interpreter lock from a computing thread: with the default
of 5 ms each system call of the switch could wait that long, ten times the time it needs."""


_Later = TypeVar("_Later")


@dataclass(frozen=True, slots=True)
class RunnerKit:
    """What receivers use of their server."""

    log: ServerLog
    times: SampledTimes
    settler: Settler
    """Is told what becomes of queued messages."""
    count: Callable[[str], None]
    """Counts the fates of messages that a thread was given."""
    accept_timeout: Callable[[], float]
    refresh: Callable[[], None]
    """Forgets the flows, so that senders look at the `accepted` of a receiver as well."""


class LoopRunner:
    """A handler on the loop; one that takes too long is named in the log."""

    def __init__(self, handler: Handler, kit: RunnerKit) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self.accepted = AcceptedMessages(self.name, kit.settler, kit.accept_timeout, kit.refresh)
        self._handle = handler.handle
        self._handler = handler
        self._accept = self.accepted.accept
        self._log = kit.log
        self._times = kit.times
        self._used = self._ask_again = 0.0

    def handle(self, message: Message) -> Actions | Accepted:
        """Let the handler see one message, and take the time."""
        begun = perf_counter()
        if begun >= self._ask_again:
            self._used, self._ask_again = thread_time(), begun + PROCESSOR_INTERVAL
        try:
            found = self._handle(message)
            if found is None:
                return None
            return actions_of(self._handler, self._accept, found)
        finally:
            took = perf_counter() - begun
            if took > SLOW_HANDLER_AFTER:
                self._log.slow(self.name, message.type, took, min(took, thread_time() - self._used))
            if begun >= self._times.due:
                self._times.take(begun)


class ThreadRunner:
    """A handler in a thread of its own: one message at a time, in order.

    For the ledger a message is consumed when it is queued, and replied once it is answered. One
    that came over a link with acknowledged delivery is acknowledged when `handle` has returned.
    """

    def __init__(self, handler: Handler, kit: RunnerKit) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self._handler = handler
        self._times = kit.times
        self._settler = kit.settler
        self._count = kit.count
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._bytes = 0
        self._thread = threading.Thread(target=self._work, name=f"handler {self.name}", daemon=True)

    def handle(self, message: Message) -> Queued:
        """Queue one message; raises Full when too much waits."""
        if self._queue.qsize() >= QUEUE or self._bytes + message.size > QUEUE_BYTES:
            raise Full(f"{self._queue.qsize()} messages of {self._bytes} bytes wait")
        self._bytes += message.size
        queued = Queued(message, name=self.name)
        self._queue.put(queued)
        if self._thread.ident is None:
            sys.setswitchinterval(SWITCH_INTERVAL)
            self._thread.start()
        return queued

    async def stop(self, seconds: float) -> int:
        """Let the thread work off its queue for at most `seconds`; the number of messages left."""
        self._queue.put(None)
        end = self._loop.time() + seconds
        while self._thread.is_alive() and self._loop.time() < end:
            await asyncio.sleep(0.005)
        return max(0, self._queue.qsize() - 1) if self._thread.is_alive() else 0

    def fail(self) -> None:
        """The thread did not end, and the server goes on: what waits has failed."""
        self._end(lambda one: self._settler.finish(one, RuntimeError("handler stopped")))

    def abandon(self) -> None:
        """The thread did not end, and the server stops: the sources of what waits send it again."""
        self._end(self._settler.abandon)

    def _end(self, call: Callable[[Queued], object]) -> None:
        while True:
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                self._queue.put(None)
                return
            if queued is not None:
                call(queued)

    def _work(self) -> None:
        while (queued := self._queue.get()) is not None:
            outcome: LateOutcome
            begun = perf_counter()
            try:
                found = self._handler.handle(queued.message)
                outcome = actions_of(self._handler, no_later, found)
            except BaseException as raised:  # without its thread no message would be handled
                outcome = raised
            if begun >= self._times.due:
                self._times.take(begun)
            if not self._tell(queued, outcome):
                return

    def _tell(self, queued: Queued, outcome: LateOutcome) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._done, queued, outcome)
        except RuntimeError:
            return False  # the loop is closed: the server stopped without waiting for this thread
        return True

    def _done(self, queued: Queued, outcome: LateOutcome) -> None:
        """Carry out, on the loop, what the handler answered."""
        self._bytes -= queued.message.size
        self._count(self._settler.finish(queued, outcome))


def no_later(accepted: Accepted) -> NoReturn:
    """Handlers in a thread: what they accept has its outcome when they return."""
    raise TypeError("a handler in a thread returned Accepted: its messages have their outcome then")


def actions_of(
    handler: Handler, accept: Callable[[Accepted], _Later], found: object
) -> Actions | _Later:
    """What `handle` returned, as actions, or what `accept` makes of an Accepted; TypeError if it is
    anything else.

    A generator does its work here, where it is timed, or in the thread of its handler.
    """
    if found is None or isinstance(found, ACTIONS):
        return found
    if isinstance(found, Iterable) and not isinstance(found, Mapping | str | bytes):
        actions = list(found)
        wrong = [one for one in actions if not isinstance(one, ACTIONS)]
        if not wrong:
            return actions
        found = wrong[0]
    if isinstance(found, Accepted):
        return accept(found)
    if isinstance(found, Coroutine):
        found.close()  # Python warns of a coroutine that is never awaited
    expected = "None, a Reply, a Send, a NativeAnswer, several of them, or Accepted"
    raise TypeError(f"handle returned {found!r:.80}, expected {expected} ({file_of(handler)})")


def receiver(handler: Handler, kit: RunnerKit) -> LoopRunner | ThreadRunner:
    """The receiver for a handler, by what it declares in `runs`."""
    return ThreadRunner(handler, kit) if handler.runs == "thread" else LoopRunner(handler, kit)
