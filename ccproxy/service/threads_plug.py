"""A plug of a service with threads: sessions that are opened when needed and closed when asked.

    with plug.unit() as session:
        session.sock.sendall(question)
        answer = session.sock.recv(4096)

A session is closed between two units of work, never within one. A plug must never repeat a unit:
only the caller knows whether that is safe.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ccproxy.service.control import Control
from ccproxy.service.errors import SessionRefused
from ccproxy.service.events import News, SessionDenied, SessionGranted
from ccproxy.service.sessions import BROKEN, OWN
from ccproxy.service.sockets import close, connect, status_of
from ccproxy.service.threads_session import Session

SESSION_TIMEOUT = 60.0
"""Seconds to wait for a session: its service may have to be started, or moved, before."""


class Plug:
    """At most `most` sessions at a time; each serves one unit of work at a time."""

    def __init__(self, control: Control, name: str, socket: str, most: int) -> None:
        self.name = name
        self.socket = socket
        self._control = control
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._room = threading.Semaphore(most)
        self._closing = False

    @contextmanager
    def unit(self, wait: float = SESSION_TIMEOUT) -> Iterator[Session]:
        """A session for one unit of work; SessionRefused or TimeoutError if there is none to be
        had. After an exception in the block it is closed: an answer may still be under way."""
        with self._room:
            session = self._take() or self._open(wait)
            whole = False
            try:
                yield session
                whole = True
            finally:
                self._put_back(session, whole)

    def close(self) -> None:
        """Close what is idle now, and what is busy after its unit."""
        with self._lock:
            self._closing = True
            idle = list(self._idle)
        for session in idle:
            self._ended(session)

    def _take(self) -> Session | None:
        while True:
            with self._lock:
                session = self._idle.pop() if self._idle else None
            if session is None:
                return None
            self._control.idle.remove(session.sock)
            if not session.closing.is_set():
                return session
            self._drop(session, OWN)

    def _put_back(self, session: Session, whole: bool) -> None:
        with self._lock:
            keep = whole and not session.closing.is_set() and not self._closing
            if keep:
                self._idle.append(session)
                self._control.idle.add(session.sock, lambda: self._ended(session))
        if not keep:
            self._drop(session, OWN if whole else BROKEN)

    def _ended(self, session: Session) -> None:
        """Drop an idle session: its far side is gone, or it has to be closed."""
        with self._lock:
            if session not in self._idle:
                return
            self._idle.remove(session)
        self._control.idle.remove(session.sock)
        self._drop(session, OWN)

    def _open(self, wait: float) -> Session:
        news: queue.SimpleQueue[News] = queue.SimpleQueue()
        key = self._control.ask(self.name, self.socket, news.put)
        end = time.monotonic() + wait
        session = None
        try:
            while session is None:
                session = self._granted(key, news.get(timeout=max(0.0, end - time.monotonic())))
        except queue.Empty:
            raise TimeoutError(f"plug {self.name}: no session within {wait:g} s") from None
        finally:
            if session is None:
                self._control.closed(key, OWN)
        return session

    def _granted(self, key: int, one: News) -> Session | None:
        if isinstance(one, SessionDenied):
            raise SessionRefused(self.name, one.status)
        if not isinstance(one, SessionGranted):
            return None
        try:
            sock = connect(self._control.configuration.address, one.address, one.port)
        except OSError as error:
            self._control.failed(key, status_of(error))
            return None
        session = Session(sock)
        session.key = key
        session.on_close = lambda: self._ended(session)
        self._control.connected(key, sock.getsockname()[1], session.deliver)
        return session

    def _drop(self, session: Session, status: int) -> None:
        close(session.sock)
        self._control.closed(session.key, status)
