"""Idle connections of sessions: when the far end closes one or sends something, its owner is told.

The thread that owns the selector waits for them; other threads add and remove connections. This
module must never call a function of its user with its lock held.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable

_REMOVE_TIMEOUT = 2.0
"""Seconds until `remove` gives up on a thread that does not let go of a connection."""
_POLL_INTERVAL = 0.0002

Ended = Callable[[], None]


class IdleSockets:
    """`selector` is that of `thread` and used by no other; `wake` makes the thread call `apply`."""

    def __init__(self, selector: selectors.BaseSelector, wake: Ended) -> None:
        self._selector = selector
        self._wake = wake
        self._lock = threading.Lock()
        self._wanted: dict[socket.socket, Ended | None] = {}
        self.thread: threading.Thread | None = None

    def __contains__(self, sock: object) -> bool:
        return sock in self._wanted

    def add(self, sock: socket.socket, ended: Ended) -> None:
        """Call `ended` once, in the thread, when there is something to read."""
        with self._lock:
            self._wanted[sock] = ended
        self._wake()

    def remove(self, sock: socket.socket) -> None:
        """Wait for this connection no more. It returns when the selector has let go: the descriptor
        of a closed socket that is still in a selector may already be that of another one."""
        with self._lock:
            if sock not in self._wanted:
                return
            self._wanted[sock] = None
        if self.thread is threading.current_thread():
            self.apply()
            return
        self._wake()
        end = time.monotonic() + _REMOVE_TIMEOUT
        while sock in self._wanted and time.monotonic() < end:
            if self.thread is None or not self.thread.is_alive():
                return
            time.sleep(_POLL_INTERVAL)

    def apply(self) -> None:
        """In the thread: let the selector have the connections that are wanted, and no others."""
        with self._lock:
            wanted = list(self._wanted.items())
        known = self._selector.get_map()
        for sock, ended in wanted:
            if ended is not None:
                if sock not in known:
                    self._selector.register(sock, selectors.EVENT_READ)
                continue
            if sock in known:
                self._selector.unregister(sock)
            with self._lock:
                if self._wanted.get(sock) is None:
                    self._wanted.pop(sock, None)

    def readable(self, sock: socket.socket) -> None:
        """In the thread: there is something to read."""
        self._selector.unregister(sock)
        with self._lock:
            ended = self._wanted.pop(sock, None)
        if ended is not None:
            ended()
