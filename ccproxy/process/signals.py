"""SIGHUP, SIGINT and SIGTERM from the start of the process to its end.

From `hold` on, one handler of ours stays installed until the signals are ignored for good. An
event loop that lets go of a signal restores its default action, and blocking the signals
meanwhile does not help: a mask holds for one thread, so the system hands the signal to another one
(the resolver's threads of libuv), and the process dies of it. This module must never restore a
default, except to end a start that hangs, and must never decide what a signal means to a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping

Calls = Mapping[int, Callable[[], None]]


class ProcessSignals:
    """What becomes of a signal: held before the server can obey it, then obeyed, then ignored."""

    NUMBERS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._held: list[int] = []
        self._obey: Callable[[int], None] | None = None

    def hold(self) -> None:
        """Keep signals from now on, until `release`."""
        for number in self.NUMBERS:
            signal.signal(number, self._received)

    def take_back(self) -> list[str]:
        """Install our handlers again; the names of the signals that a plugin had taken."""
        taken = [one for one in self.NUMBERS if signal.getsignal(one) != self._received]
        for number in taken:
            signal.signal(number, self._received)
        return [signal.Signals(number).name for number in taken]

    def release(self) -> None:
        """The server obeys signals now: send it those that were kept."""
        held, self._held = self._held, []
        for number in held:
            os.kill(os.getpid(), number)

    @contextlib.contextmanager
    def obeyed(self, calls: Calls) -> Iterator[None]:
        """Within the block a signal is a call on the running loop, afterwards it means nothing.

        To be used by the main thread, at the end of the process.
        """
        loop = asyncio.get_running_loop()

        def obey(number: int) -> None:
            loop.call_soon_threadsafe(calls[number])

        self._obey = obey
        self.hold()
        try:
            with _waking(loop):
                yield
        finally:
            for number in self.NUMBERS:
                signal.signal(number, signal.SIG_IGN)
            self._obey = None

    def _received(self, number: int, frame: object) -> None:
        if self._obey is not None:
            self._obey(number)
            return
        # A start that hangs must not be immune: asked to stop twice, the process ends at once.
        if number in self._held and number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._held.append(number)


@contextlib.contextmanager
def _waking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """A loop that sleeps wakes up for every signal, whichever thread the system gave it to."""
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        loop.add_reader(reader, _drain, reader)
        try:
            yield
        finally:
            loop.remove_reader(reader)
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)


def _drain(reader: socket.socket) -> None:
    """Which signals came is known from their handler; the bytes have done their work."""
    with contextlib.suppress(BlockingIOError):
        reader.recv(4096)
