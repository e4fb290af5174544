"""A CC client on pyzmq for programs, daemons and tests: publish, request, stream of answers.

    with Client("tcp://127.0.0.1:22632") as client:
        client.publish("log.info", {"log_msg": "hello"})
        answer = client.request("echo.request", {"target": "me"})

Any number of threads may call one client. Its socket belongs to a thread of the client; no other
thread must ever touch it. No call waits for ever, with or without a server.
"""

from __future__ import annotations

import itertools
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import zmq

from ccproxy.wire import cc

HIGH_WATER_MARK = 100
"""Messages that libzmq may hold in either direction, besides those that wait in the client."""
MAX_ANSWERS = 10_000
"""Answers to one request that may wait to be read; further ones are ignored."""

_OPTIONS = {
    zmq.SNDHWM: HIGH_WATER_MARK,
    zmq.RCVHWM: HIGH_WATER_MARK,
    zmq.LINGER: 0,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 5000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 240,
    zmq.TCP_KEEPALIVE_INTVL: 15,
    zmq.TCP_KEEPALIVE_CNT: 4,
}

Fields = Mapping[str, Any]
"""The fields of the JSON object except `req`, `time`, `hostname` and `blob_hash`."""

_Socket = zmq.Socket[bytes]
_Answers = queue.Queue[cc.Parts | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its type, its JSON object, its blob if it has one, and all payload frames."""

    type: str
    value: dict[str, Any]
    blob: bytes | None
    payload: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of one client: messages that may wait to be sent; the others are seconds.

    `linger` is how long `close` may go on sending, `heartbeat` how often the connection is tested
    (0 = never, for servers that speak ZMTP 3.0 or older).
    """

    queue: int = 1000
    linger: float = 1.0
    heartbeat: float = 15.0


class Client:
    """A connection to one server, which reconnects by itself; a context manager."""

    def __init__(
        self,
        address: str,
        *,
        hostname: str | None = None,
        identity: bytes | None = None,
        timeout: float = 10.0,
        limits: ClientLimits | None = None,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.ignored = 0
        self._codec = cc.CcCodec(hostname or socket.gethostname(), time.time)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._asked: dict[bytes, _Answers] = {}
        limits = limits or ClientLimits()
        self._thread = _SocketThread(_connect(address, identity, limits), limits, self._received)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def publish(
        self, type: str, value: Fields, blob: bytes | None = None, *, wait: float = 0.0
    ) -> None:
        """Send a message to which no answer is expected.

        ConnectionError if the queue is still full after `wait` seconds or the client is closed,
        ValueError if CC cannot carry type or value.
        """
        self._thread.put(self._frames((), type, value, blob), wait)

    def request(
        self, type: str, value: Fields, blob: bytes | None = None, timeout: float | None = None
    ) -> Answer:
        """Send a message and return the first answer.

        TimeoutError if none comes within `timeout` seconds (default: the client's), ValueError
        if the answer cannot be read; otherwise as `publish`.
        """
        with closing(self.stream(type, value, blob, timeout)) as answers:
            return next(answers)

    def stream(
        self, type: str, value: Fields, blob: bytes | None = None, timeout: float | None = None
    ) -> Generator[Answer, None, None]:
        """Send a message at the first `next` and yield every answer when it comes.

        Ends after `timeout` seconds without a further answer; TimeoutError if none came at all.
        """
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        id, answers = self._ask()
        try:
            self._thread.put(self._frames((id,), type, value, blob), seconds)
            answer = self._next(answers, deadline - time.monotonic())
            if answer is None:
                raise TimeoutError(f"{self.address}: no answer to {type} in {seconds:g} s")
            while answer is not None:
                yield answer
                answer = self._next(answers, seconds)
        finally:
            with self._lock:
                del self._asked[id]

    def close(self) -> None:
        """Send the waiting messages, for at most `linger` seconds; those left then are lost.

        Requests that still wait for an answer raise ConnectionError.
        """
        self._thread.close()
        with self._lock:
            for answers in self._asked.values():
                _offer(answers, None)

    def _next(self, answers: _Answers, seconds: float) -> Answer | None:
        try:
            parts = answers.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if parts is None:
            raise ConnectionError(f"{self.address}: the client was closed")
        value = self._codec.decode(parts.type, parts.payload)
        return Answer(parts.type, value, cc.blob(parts.payload), parts.payload)

    def _frames(
        self, route: tuple[bytes, ...], type: str, value: Fields, blob: bytes | None
    ) -> list[bytes]:
        return cc.frames(route, type, self._codec.encode(type, value, blob))

    def _ask(self) -> tuple[bytes, _Answers]:
        """A request id that is not in use, and the queue for its answers."""
        answers: _Answers = queue.Queue(MAX_ANSWERS)
        with self._lock:
            ids = (b"Q%06d" % (number % 999_999 + 1) for number in self._numbers)
            id = next(one for one in ids if one not in self._asked)
            self._asked[id] = answers
        return id, answers

    def _received(self, frames: list[bytes]) -> None:
        """Take an answer, in the socket's thread; ignore it if no request waits for it."""
        with suppress(ValueError), self._lock:
            parts = cc.split(frames)
            answers = self._asked.get(parts.route[0]) if len(parts.route) == 1 else None
            if answers is not None and _offer(answers, parts):
                return
        self.ignored += 1


def _offer(answers: _Answers, parts: cc.Parts | None) -> bool:
    with suppress(queue.Full):
        answers.put_nowait(parts)
        return True
    return False


class _SocketThread:
    """Owns the socket; its thread sends the waiting messages and passes on received ones."""

    def __init__(
        self, socket_: _Socket, limits: ClientLimits, receive: Callable[[list[bytes]], None]
    ) -> None:
        self._socket = socket_
        self._limits = limits
        self._receive = receive
        self._waiting: deque[list[bytes]] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="cc client", daemon=True)
        self._thread.start()

    def put(self, frames: list[bytes], wait: float) -> None:
        """Queue a message; ConnectionError if it is closed or still full after `wait` seconds."""
        with self._changed:
            limit = self._limits.queue
            room = self._changed.wait_for(
                lambda: self._deadline is not None or len(self._waiting) < limit, wait
            )
            if self._deadline is not None:
                raise ConnectionError("the client is closed")
            if not room:
                raise ConnectionError(f"no room to send: {len(self._waiting)} messages wait")
            self._waiting.append(frames)
            self._wake()

    def close(self) -> None:
        """Send waiting messages for at most `linger` seconds; end the thread. May be repeated."""
        with self._changed:
            if self._deadline is None:
                self._deadline = time.monotonic() + self._limits.linger
                self._changed.notify_all()
                self._wake()
        self._thread.join()
        self._socket.context.term()
        self._wake_reader.close()
        self._wake_writer.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # the socket is full of unread bytes: they wake the thread
            self._wake_writer.send(b"!")

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_reader, zmq.POLLIN)
        try:
            while not self._done():
                poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if self._waiting else 0))
                poller.poll(None if self._deadline is None else 1 + int(1000 * self._left()))
                with suppress(BlockingIOError):  # nothing to read if the ZeroMQ socket woke us
                    self._wake_reader.recv(4096)
                self._take()
        finally:
            self._socket.close(linger=int(1000 * self._left()))
            with self._changed:
                self._deadline = self._deadline or time.monotonic()
                self._changed.notify_all()

    def _done(self) -> bool:
        """Send what can be sent; True if the thread has to end."""
        self._send()
        return self._deadline is not None and not (self._waiting and self._left() > 0)

    def _left(self) -> float:
        """Seconds until the thread has to end."""
        return 0.0 if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _send(self) -> None:
        """Send waiting messages, a bounded number, so that receiving is not delayed."""
        with suppress(zmq.Again):
            for _ in range(min(len(self._waiting), HIGH_WATER_MARK)):
                self._socket.send_multipart(self._waiting[0], zmq.NOBLOCK)
                with self._changed:
                    self._waiting.popleft()
                    self._changed.notify()

    def _take(self) -> None:
        """Pass on received messages, a bounded number, so that sending is not delayed."""
        with suppress(zmq.Again):
            for _ in range(HIGH_WATER_MARK):
                self._receive(self._socket.recv_multipart(zmq.NOBLOCK))


def _connect(address: str, identity: bytes | None, limits: ClientLimits) -> _Socket:
    """A DEALER socket with its own context that connects to `address`; ValueError if it cannot."""
    made = zmq.Context().socket(zmq.DEALER)
    try:
        # With IPV6 set, libzmq resolves a name such as localhost to IPv6 addresses only.
        own = {zmq.HEARTBEAT_IVL: int(1000 * limits.heartbeat), zmq.IPV6: int("[" in address)}
        for name, setting in (_OPTIONS | own).items():
            made.setsockopt(name, setting)
        if identity is not None:
            made.setsockopt(zmq.IDENTITY, identity)
        made.connect(address)
    except zmq.ZMQError as error:
        made.context.destroy(linger=0)
        raise ValueError(f"cannot connect to {address!r}: {error}") from None
    return made
