"""One session of a service with threads: its connection, and whether it has to be closed.

It must never close the connection by itself: a unit of work may be under way.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from ccproxy.service.events import CloseWanted, News


class Session:
    """`sock` is its blocking socket; `closing` is set when it has to be closed soon."""

    def __init__(self, sock: socket.socket) -> None:
        self.key = 0
        self.sock = sock
        self.closing = threading.Event()
        self.on_close: Callable[[], None] | None = None
        """Called when it has to be closed, in the thread of the control link."""
        self._reader, self._waker = socket.socketpair()

    def wait_readable(self) -> bool:
        """For the wait between two units of work: True when there is something to read (also the
        end), False as soon as the session has to be closed."""
        if self.closing.is_set():
            return False
        poll = select.poll()
        for one in (self.sock, self._reader):
            poll.register(one, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        return self.sock.fileno() in ready

    def deliver(self, news: News) -> None:
        """What becomes of the session, from the thread of the control link."""
        if isinstance(news, CloseWanted):
            self.want_close()

    def want_close(self) -> None:
        """The session has to be closed soon."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._waker.send(b"!")
        if self.on_close is not None:
            self.on_close()

    def __del__(self) -> None:
        self._reader.close()
        self._waker.close()
