"""The control link of a service: a thread that carries the core's bytes to the agent and back.

Both flavours have it in a thread of its own, so that health controls are answered while the
business logic computes. What becomes of a session is delivered without any lock held. This module
must never touch the connections of sessions, except to see whether an idle one has ended.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable

from ccproxy.config.address import Address
from ccproxy.service.configuration import Configuration
from ccproxy.service.core import Core
from ccproxy.service.events import (
    Attach,
    CloseWanted,
    Detach,
    News,
    SendBytes,
    ServiceAction,
    SessionDenied,
    SessionGranted,
    Settings,
    StopWanted,
)
from ccproxy.service.idle_sockets import IdleSockets

CONNECT_TIMEOUT = 2.0
"""Seconds to connect to the agent, which is on the same machine."""
_FLUSH_INTERVAL = 0.002
_READ_SIZE = 65536

OnNews = Callable[[News], None]


class Control:
    """Every method may be called from any thread; `on_stop` is called from one of them."""

    def __init__(
        self,
        configuration: Configuration,
        on_stop: Callable[[], None],
        settings: Settings | None = None,
    ) -> None:
        self.configuration = configuration
        self.core = Core(configuration, settings)
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._receivers: dict[int, OnNews] = {}
        self._unsent = bytearray()
        self._sock: socket.socket | None = None
        self._attach_at: float | None = None
        self._detach = False
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakes = socket.socketpair()
        self.idle = IdleSockets(self._selector, self._wake)
        """The idle connections of sessions."""
        self._thread = self.idle.thread = threading.Thread(
            target=self._run, name="ssmmp control", daemon=True
        )

    def start(self) -> None:
        """Attach, and stay attached."""
        for one in (self._waker, self._wakes):
            one.setblocking(False)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._do(self.core.start)
        self._thread.start()

    def close(self, linger: float = 1.0) -> None:
        """Send what waits, for at most `linger` seconds, then close the connection to the agent."""
        # Looks are counted, not seconds: while the whole process stands still nothing can be sent.
        for _ in range(round(linger / _FLUSH_INTERVAL)):
            if not self._unsent or self._sock is None:
                break
            time.sleep(_FLUSH_INTERVAL)
        self._ended = True
        self._wake()
        self._thread.join(linger + CONNECT_TIMEOUT)
        for one in (self._waker, self._wakes):
            one.close()

    def ask(self, plug: str, socket: str, deliver: OnNews) -> int:
        """Begin a session at a plug; `deliver` gets what becomes of it."""
        return self._begin(lambda now: self.core.ask(now, plug, socket), deliver)

    def accepted(self, socket: str, peer: tuple[str, int], deliver: OnNews) -> int:
        """A connection was accepted; `deliver` is told if it has to be closed."""
        return self._begin(lambda now: self.core.accepted(now, socket, peer), deliver)

    def connected(self, key: int, port: int, deliver: OnNews) -> None:
        """A granted session is connected, from this port; from now on `deliver` gets its news."""
        self._receivers[key] = deliver
        self._do(lambda now: self.core.connected(now, key, port))

    def failed(self, key: int, status: int) -> None:
        """A granted session could not be connected."""
        self._do(lambda now: self.core.failed(now, key, status))

    def closed(self, key: int, status: int) -> None:
        """A session is over at this end."""
        self._do(lambda now: self.core.closed(now, key, status))
        self._receivers.pop(key, None)

    def declined(self, key: int) -> None:
        """A session cannot be closed now."""
        self._do(lambda now: self.core.declined(now, key))

    def stopped(self, status: int = 200) -> None:
        """The service has done what a graceful shutdown asks for."""
        self._do(lambda now: self.core.stopped(now, status))

    def leave(self) -> None:
        """The process ends of its own accord: announce it."""
        self._do(self.core.leave)

    def _begin(
        self, ask: Callable[[float], tuple[int, list[ServiceAction]]], deliver: OnNews
    ) -> int:
        with self._lock:
            key, actions = ask(time.monotonic())
            self._receivers[key] = deliver
            news = self._perform(actions)
        self._deliver(news)
        return key

    def _do(self, step: Callable[[float], list[ServiceAction]]) -> None:
        with self._lock:
            news = self._perform(step(time.monotonic()))
        self._deliver(news)

    def _perform(self, actions: list[ServiceAction]) -> list[ServiceAction]:
        """Do what needs the lock; what has to be delivered without it is returned."""
        news: list[ServiceAction] = []
        for action in actions:
            if isinstance(action, SendBytes):
                self._unsent += action.data
            elif isinstance(action, Attach):
                self._attach_at = time.monotonic() + action.delay
            elif isinstance(action, Detach):
                self._detach = True
            else:
                news.append(action)
        self._wake()
        return news

    def _deliver(self, news: list[ServiceAction]) -> None:
        for one in news:
            if isinstance(one, StopWanted):
                self._on_stop()
            elif isinstance(one, SessionGranted | SessionDenied | CloseWanted):
                deliver = self._receivers.get(one.key)
                if deliver is not None:
                    deliver(one)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"!")

    # What follows runs in the thread of the control link.

    def _run(self) -> None:
        while not self._ended:
            for key, mask in self._selector.select(self._pause()):
                self._ready(key.fileobj, mask)
            self._step()
        if self._sock is not None:
            self._drop()
        self._selector.close()

    def _pause(self) -> float | None:
        with self._lock:
            due = self.core.next_deadline()
        due = min(due, self._attach_at if self._attach_at is not None else due)
        return None if due == float("inf") else max(0.0, due - time.monotonic())

    def _step(self) -> None:
        self.idle.apply()
        if self._detach:
            self._detach = False
            self._lost()
        if self._pause() == 0.0:
            self._do(self.core.tick)
        if self._attach_at is not None and self._attach_at <= time.monotonic():
            self._attach_at = None
            self._attach()
        self._send()

    def _ready(self, what: object, mask: int) -> None:
        if what is self._wakes:
            with contextlib.suppress(BlockingIOError):
                self._wakes.recv(4096)
        elif what is self._sock and mask & selectors.EVENT_READ:
            self._read()
        elif isinstance(what, socket.socket) and what in self.idle:
            self.idle.readable(what)

    def _attach(self) -> None:
        try:
            self._sock = _connect(self.configuration.agent)
        except OSError:
            self._do(self.core.unlinked)
            return
        self._selector.register(self._sock, selectors.EVENT_READ)
        self._unsent.clear()
        self._do(self.core.linked)

    def _read(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._do(lambda now: self.core.received(now, data))

    def _send(self) -> None:
        if self._sock is None:
            return
        try:
            with self._lock:
                while self._unsent:
                    del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._lost()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._sock, events)

    def _lost(self) -> None:
        if self._sock is not None:
            self._drop()
            self._do(self.core.unlinked)

    def _drop(self) -> None:
        assert self._sock is not None
        self._selector.unregister(self._sock)
        self._sock.close()
        self._sock = None


def _connect(address: str) -> socket.socket:
    where = Address.remote(address)
    if where.scheme == "ipc":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(CONNECT_TIMEOUT)
        try:
            sock.connect(where.unix)
        except OSError:
            sock.close()
            raise
    else:
        sock = socket.create_connection((where.host, where.port), CONNECT_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock
