"""Idle connections that are looked at: who closes one, or says something unasked, ends it.

One thread selects; others add and remove. It must never call anybody with its lock held.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable

_PATIENCE = 2.0
_PAUSE = 0.0002

Ended = Callable[[], None]


class Watched:
    """`selector` is the one of `thread`, and used by no other; `wake` makes it take a turn."""

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
        """Not any more. It returns when the selector has let go: a closed socket in it would be
        somebody else's."""
        with self._lock:
            if sock not in self._wanted:
                return
            self._wanted[sock] = None
        if self.thread is threading.current_thread():
            self.sort()
            return
        self._wake()
        end = time.monotonic() + _PATIENCE
        while sock in self._wanted and time.monotonic() < end:
            if self.thread is None or not self.thread.is_alive():
                return
            time.sleep(_PAUSE)

    def sort(self) -> None:
        """In the thread: let the selector have what is wanted, and no more."""
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
