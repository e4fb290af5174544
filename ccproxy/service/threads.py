"""The library for services with threads: plugs, sockets, the end.

    with Service() as service:
        store = service.plug("store_client", "sql")
        service.serve("orders_api", handle)
        service.wait()

`handle(session)` serves one accepted session, in a thread of its own. The end of the block does
what a graceful shutdown asks for. Only a unit of work that is under way may delay the end of a
session.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

from ccproxy.service.configuration import Configuration
from ccproxy.service.control import Control
from ccproxy.service.events import Settings
from ccproxy.service.sessions import BROKEN, OWN
from ccproxy.service.sockets import close, listen, peer_of
from ccproxy.service.threads_plug import Plug
from ccproxy.service.threads_session import Session

SHUTDOWN_TIMEOUT = 8.0
"""Seconds accepted sessions have to end at a shutdown."""

SessionHandler = Callable[[Session], None]


class Service:
    """One instance; by default the one that the environment describes."""

    def __init__(
        self, configuration: Configuration | None = None, settings: Settings | None = None
    ) -> None:
        self.configuration = configuration or Configuration.from_environment(os.environ)
        self._stop = threading.Event()
        self.control = Control(self.configuration, self._stop.set, settings)
        self._plugs: dict[str, Plug] = {}
        self._listeners: dict[socket.socket, threading.Thread] = {}
        self._threads: dict[Session, threading.Thread] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Service:
        self.control.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    @property
    def stopping(self) -> bool:
        """True once this instance is to end."""
        return self._stop.is_set()

    @property
    def health(self) -> int:
        """The status that health controls are answered with; 200 = healthy."""
        return self.control.core.health

    @health.setter
    def health(self, status: int) -> None:
        self.control.core.health = status

    def plug(self, name: str, socket: str = "", most: int = 64) -> Plug:
        """The plug of this name, with at most so many sessions; ValueError if there is none."""
        with self._lock:
            if name not in self._plugs:
                edge = self.configuration.plug(name, socket)
                self._plugs[name] = Plug(self.control, edge.name, edge.socket, most)
            return self._plugs[name]

    def serve(self, socket: str, handle: SessionHandler) -> None:
        """Accept sessions at a socket, until the end; OSError if its port is taken."""
        sock = listen(self.configuration.address, self.configuration.port(socket))
        thread = threading.Thread(
            target=self._accept, args=(sock, socket, handle), name=f"socket {socket}", daemon=True
        )
        self._listeners[sock] = thread
        thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Until this instance is to end; False if that was not within `timeout`."""
        return self._stop.wait(timeout)

    def close(self) -> None:
        """Accept no more, let what is under way come to its end, and tell the agent."""
        end = time.monotonic() + SHUTDOWN_TIMEOUT
        for sock, accepting in self._listeners.items():
            close(sock)
            accepting.join(max(0.0, end - time.monotonic()))  # all sessions are known then
        with self._lock:
            serving = dict(self._threads)
        for session in serving:
            session.want_close()
        for thread in serving.values():
            thread.join(max(0.0, end - time.monotonic()))
        for plug in self._plugs.values():
            plug.close()
        if self._stop.is_set():
            self.control.stopped()
        else:
            self.control.leave()
        self.control.close()

    def _accept(self, listener: socket.socket, name: str, handle: SessionHandler) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            session = Session(sock)
            session.key = self.control.accepted(name, peer_of(peer), session.deliver)
            thread = threading.Thread(
                target=self._serve, args=(session, handle), name=f"session {peer}", daemon=True
            )
            with self._lock:
                self._threads[session] = thread
            thread.start()

    def _serve(self, session: Session, handle: SessionHandler) -> None:
        status = BROKEN
        try:
            with contextlib.suppress(OSError, EOFError):
                handle(session)
                status = OWN
        finally:
            close(session.sock)
            self.control.closed(session.key, status)
            with self._lock:
                self._threads.pop(session, None)
