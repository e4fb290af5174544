"""A plug of a service with threads: sessions that are opened when needed and closed when asked.

    with plug.unit() as session:
        session.sock.sendall(question)
        answer = session.sock.recv(4096)

A session is closed between two units of work, never within one. It must never repeat a unit: who
uses the plug knows whether that is safe.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ccproxy.service.control import Control
from ccproxy.service.events import Granted, News, Refused
from ccproxy.service.sessions import BROKEN, OWN
from ccproxy.service.sockets import connect, part, status_of
from ccproxy.service.threads_session import Session
from ccproxy.service.trouble import SessionRefused

WAIT = 60.0
"""Seconds to wait for a session; it may have to be started, or moved, before it is there."""


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
    def unit(self, wait: float = WAIT) -> Iterator[Session]:
        """A session for one unit of work; SessionRefused or TimeoutError if there is none to be
        had. After an exception in the block it is closed, as nobody knows what is still to come."""
        with self._room:
            session = self._take() or self._open(wait)
            whole = False
            try:
                yield session
                whole = True
            finally:
                self._back(session, whole)

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
            self._control.watched.remove(session.sock)
            if not session.closing.is_set():
                return session
            self._drop(session, OWN)

    def _back(self, session: Session, whole: bool) -> None:
        with self._lock:
            keep = whole and not session.closing.is_set() and not self._closing
            if keep:
                self._idle.append(session)
                self._control.watched.add(session.sock, lambda: self._ended(session))
        if not keep:
            self._drop(session, OWN if whole else BROKEN)

    def _ended(self, session: Session) -> None:
        """An idle session whose far side is gone, or that has to be closed."""
        with self._lock:
            if session not in self._idle:
                return
            self._idle.remove(session)
        self._control.watched.remove(session.sock)
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
        if isinstance(one, Refused):
            raise SessionRefused(self.name, one.status)
        if not isinstance(one, Granted):
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
        part(session.sock)
        self._control.closed(session.key, status)
