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
from time import perf_counter
from typing import Protocol

from ccproxy.core.message import Actions, Message, NativeAnswer, Reply, Send
from ccproxy.core.plugin_code import file_of
from ccproxy.core.verdict import Full, Queued, Receiver, Refuse
from ccproxy.handler import Handler
from ccproxy.net.notices import ServerLog

SLOW_HANDLER_AFTER = 0.005
"""Seconds a handler on the loop may take."""
QUEUE = 10_000
"""Messages that may wait for a handler with a thread; more are `full`."""
QUEUE_BYTES = 64 * 1024 * 1024
"""Bytes of messages that may wait for a handler with a thread."""
ACTIONS = (Reply, Send, NativeAnswer)
SWITCH_INTERVAL = 0.0005
"""Seconds after which Python takes the interpreter lock from a computing thread: with the default
of 5 ms each system call of the switch could wait that long, ten times the time it needs."""


class Finish(Protocol):
    """The call that carries out the actions of a handler in a thread: `Switch.finish`."""

    def __call__(self, queued: Queued, actions: Actions) -> str:
        """Carry out actions on the loop; the fate they come to."""


class LoopRunner:
    """A handler on the loop; one that takes too long is named in the log."""

    def __init__(self, handler: Handler, log: ServerLog) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self._handler = handler
        self._handle: Callable[[Message], Actions] = handler.handle
        self._log = log

    def handle(self, message: Message) -> Actions:
        """Let the handler see one message, and take the time."""
        begun = perf_counter()
        try:
            return actions_of(self._handler, self._handle(message))
        finally:
            took = perf_counter() - begun
            if took > SLOW_HANDLER_AFTER:
                self._log.slow(self.name, message.type, took)


class ThreadRunner:
    """A handler in a thread of its own: one message at a time, in order.

    For the ledger a message is consumed when it is queued, and replied once it is answered. Its
    failures are counted and logged under the name of the handler.
    """

    def __init__(
        self, handler: Handler, log: ServerLog, finish: Finish, count: Callable[[str], None]
    ) -> None:
        self.name = handler.name
        self.exclusive = handler.exclusive
        self._handler = handler
        self._log = log
        self._finish = finish
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._bytes = 0
        self._thread = threading.Thread(target=self._work, name=f"handler {self.name}", daemon=True)

    def handle(self, message: Message) -> Queued:
        """Queue one message; raises Full when too much waits."""
        if self._queue.qsize() >= QUEUE or self._bytes + message.size > QUEUE_BYTES:
            raise Full(f"{self._queue.qsize()} messages of {self._bytes} bytes wait")
        self._bytes += message.size
        queued = Queued(message)
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

    def _work(self) -> None:
        while (queued := self._queue.get()) is not None:
            actions: Actions = None
            error: BaseException | None = None
            try:
                actions = actions_of(self._handler, self._handler.handle(queued.message))
            except BaseException as raised:  # without its thread no message would be handled
                error = raised
            if not self._tell(queued, actions, error):
                return

    def _tell(self, queued: Queued, actions: Actions, error: BaseException | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._done, queued, actions, error)
        except RuntimeError:
            return False  # the loop is closed: the server stopped without waiting for this thread
        return True

    def _done(self, queued: Queued, actions: Actions, error: BaseException | None) -> None:
        """Carry out, on the loop, what the handler answered."""
        message = queued.message
        self._bytes -= message.size
        if error is None:
            try:
                self._count(self._finish(queued, actions))
                return
            except BaseException as raised:  # values of a reply may be objects of the plugin
                error = raised
        self._count(error.fate if isinstance(error, Refuse) else "failed")
        self._log.failed(self.name, message.type, error)


def actions_of(handler: Handler, found: object) -> Actions:
    """What `handle` returned, as actions; TypeError if it is anything else.

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
    if isinstance(found, Coroutine):
        found.close()  # Python warns of a coroutine that is never awaited
    expected = "None, a Reply, a Send, a NativeAnswer, or several of them"
    raise TypeError(f"handle returned {found!r:.80}, expected {expected} ({file_of(handler)})")


def receiver(
    handler: Handler, log: ServerLog, finish: Finish, count: Callable[[str], None]
) -> Receiver:
    """The receiver for a handler, by what it declares in `runs`."""
    if handler.runs == "thread":
        return ThreadRunner(handler, log, finish, count)
    return LoopRunner(handler, log)
