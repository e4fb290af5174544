"""The thread of a client, which owns its socket: no other thread must ever touch it.

It sends what waits, passes on what is received, and sees by the events of libzmq when a connection
begins and ends: a server that gives receipts says so soon after that.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import zmq
from zmq.utils.monitor import parse_monitor_message

from ccproxy.client.connection import EVENTS, ConnectionWatch
from ccproxy.client.keys import mechanism_name, mechanism_of, prove
from ccproxy.client.limits import ClientLimits
from ccproxy.client.producer import CLOSED, Producer
from ccproxy.client.ready import ReadyQuestion
from ccproxy.config.keys import LinkKeys
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import Forget

HIGH_WATER_MARK = 100
"""Messages that libzmq may hold in either direction, besides those that wait in the client."""
HANDSHAKE = 30.0
"""Seconds after which libzmq itself ends a handshake. With ZMTP 2.0 it never says that it is over.
"""

_OPTIONS = {
    zmq.SNDHWM: HIGH_WATER_MARK,
    zmq.RCVHWM: HIGH_WATER_MARK,
    zmq.LINGER: 0,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 5000,
    zmq.HANDSHAKE_IVL: int(1000 * HANDSHAKE),
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 240,
    zmq.TCP_KEEPALIVE_INTVL: 15,
    zmq.TCP_KEEPALIVE_CNT: 4,
}

ANSWER_TIME = 10.0
"""Seconds after which a server is asked anew that has not answered whether it gives receipts."""

_LAST, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
"""As plain numbers: in pyzmq, a sum of its flags costs as much as half of a frame."""

ClientSocket = zmq.Socket[bytes]


class SocketThread:
    """Owns the socket; its thread sends the waiting messages and passes on received ones."""

    def __init__(
        self,
        socket_: ClientSocket,
        keys: LinkKeys,
        limits: ClientLimits,
        producer: Producer,
        receive: Callable[[list[bytes]], None],
    ) -> None:
        self._socket = socket_
        self._monitor = socket_.get_monitor_socket(EVENTS)  # the one that `connected` has made
        self._watch = ConnectionWatch(mechanism_name(keys))
        self._keys = keys
        self._limits = limits
        self._producer = producer
        self._receive = receive
        self._waiting: deque[list[bytes]] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._greet_by: float | None = None
        """When a server that has not greeted is asked whether it gives receipts; None if it has, or
        if there is no connection."""
        self._question: ReadyQuestion | None = None
        self._reason = CLOSED
        self._woken = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        producer.wake = self._wake
        self._thread = threading.Thread(target=self._run, name="cc client", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why nothing can be sent now; empty if nothing is known to prevent it."""
        return self._watch.problem

    def put(self, frames: list[bytes], wait: float) -> None:
        """Queue a message; ConnectionError if it is closed or still full after `wait` seconds."""
        with self._changed:
            limit = self._limits.queue
            room = self._changed.wait_for(
                lambda: self._deadline is not None or len(self._waiting) < limit, wait
            )
            if self._deadline is not None:
                raise ConnectionError(self._reason)
            if not room:
                problem = f"no room to send: {len(self._waiting)} messages wait"
                raise ConnectionError(with_reason(problem, self.problem))
            self._waiting.append(frames)
        self._wake()

    def close(self) -> None:
        """Send waiting messages and wait for receipts for at most `linger` seconds; end the thread.
        May be repeated."""
        self._end(self._limits.linger, CLOSED)
        self._thread.join()
        self._socket.context.term()
        self._wake_reader.close()
        self._wake_writer.close()

    def _end(self, seconds: float, reason: str) -> None:
        with self._changed:
            if self._deadline is None:
                self._deadline, self._reason = time.monotonic() + seconds, reason
                self._changed.notify_all()
        self._wake()

    def _wake(self) -> None:
        if self._woken:
            return
        self._woken = True
        with suppress(OSError):  # full of unread bytes, which wake the thread, or closed
            self._wake_writer.send(b"!")

    def _run(self) -> None:
        self._producer.thread = self._thread
        poller = zmq.Poller()
        poller.register(self._wake_reader, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        try:
            while not self._done():
                more = self._waiting or self._producer.ready
                poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if more else 0))
                self._poll(poller)
                with suppress(BlockingIOError):  # nothing to read if a ZeroMQ socket woke us
                    self._wake_reader.recv(4096)
                self._woken = False
                self._take()
        finally:
            self._finish()

    def _poll(self, poller: zmq.Poller) -> None:
        """Wait for events, those of the question as well."""
        asked = self._question
        if asked is None:
            poller.poll(self._pause())
            return
        poller.register(asked.socket, asked.events)
        poller.poll(self._pause())
        poller.unregister(asked.socket)
        if asked.step():
            self._answered(asked.answer)

    def _finish(self) -> None:
        self._stop_asking()
        with self._changed:
            self._deadline = self._deadline or time.monotonic()
            self._changed.notify_all()
        try:
            if self._producer.finish():
                with suppress(zmq.Again):  # then the server forgets it by and by
                    self._socket.send_multipart(wire.encode(Forget()), zmq.NOBLOCK)
        finally:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=int(1000 * self._left()))

    def _done(self) -> bool:
        """Send what can be sent; True if the thread has to end."""
        self._producer.gather()
        self._send()
        return self._deadline is not None and not (
            (self._waiting or self._producer.busy) and self._left() > 0
        )

    def _left(self) -> float:
        """Seconds until the thread has to end."""
        return 0.0 if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _pause(self) -> int | None:
        """Milliseconds for which there is nothing to do without an event; None: for ever."""
        known = (self._deadline, self._greet_by, self._watch.again_at)
        times = [one for one in known if one is not None]
        if not times:
            return None
        return 1 + int(1000 * max(0.0, min(times) - time.monotonic()))

    def _send(self) -> None:
        """Send waiting messages, a bounded number, so that receiving is not delayed."""
        with suppress(zmq.Again):
            for _ in range(min(len(self._waiting), HIGH_WATER_MARK)):
                self._put_out(self._waiting[0])
                with self._changed:
                    self._waiting.popleft()
                    self._changed.notify()
        with suppress(zmq.Again):
            self._producer.send(self._put_out)

    def _put_out(self, frames: Sequence[bytes]) -> None:
        """Give a message to libzmq; zmq.Again, with nothing done, if its queue is full."""
        send = self._socket.send
        for frame in frames[:-1]:
            send(frame, _MORE)
        send(frames[-1], _LAST)

    def _take(self) -> None:
        """Pass on received messages, a bounded number, so that sending is not delayed."""
        received: list[list[bytes]] = []
        with suppress(zmq.Again):
            for _ in range(HIGH_WATER_MARK):
                received.append(self._socket.recv_multipart(zmq.NOBLOCK))
        # The events that a connection has caused are there before its first message is.
        self._see()
        if received:
            self._watch.works()
        for frames in received:
            if frames[0] == wire.WORD:
                self._hear(frames)
            else:
                self._receive(frames)
        now = time.monotonic()
        if self._watch.again_at is not None and now >= self._watch.again_at:
            self._begin_anew()
        if self._greet_by is not None and now >= self._greet_by:
            self._ask()

    def _ask(self) -> None:
        """The server has not greeted: is it busy, or does it give no receipts?"""
        self._stop_asking()
        self._greet_by = time.monotonic() + ANSWER_TIME
        try:
            self._question = ReadyQuestion(self._endpoint(), mechanism_of(self._keys))
        except ValueError as error:
            self._greet_by = None
            self._producer.cannot(f"the server gives no receipts: it is silent, and {error}")
        except OSError:
            self._answered(None)

    def _answered(self, gives_receipts: bool | None) -> None:
        """The question is over; without an answer it is put again a little later."""
        self._stop_asking()
        self._greet_by = None
        if gives_receipts is None:
            self._greet_by = time.monotonic() + self._limits.greeting
        elif not gives_receipts:
            self._producer.cannot("the server gives no receipts: its READY says nothing of them")

    def _stop_asking(self) -> None:
        if self._question is not None:
            self._question.close()
            self._question = None

    def _see(self) -> None:
        """See which connections have begun and ended."""
        with suppress(zmq.Again):
            while True:
                found = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
                event, now = found["event"], time.monotonic()
                self._watch.see(event, found["value"], now)
                if event == zmq.EVENT_DISCONNECTED:
                    self._greet_by = None
                    self._stop_asking()
                    self._producer.disconnected()
                    if self._producer.stuck():
                        self._begin_anew()
                elif event == zmq.EVENT_CONNECTED:
                    self._greet_by = now + HANDSHAKE + self._limits.greeting
                elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    self._greet_by = now + self._limits.greeting

    def _begin_anew(self) -> None:
        """Connect again without what libzmq holds for the next connection."""
        self._watch.again_at = None
        end = self._endpoint()
        with suppress(zmq.ZMQError):  # libzmq has given it up, and forgotten it
            self._socket.disconnect(end)
        self._socket.connect(end)

    def _endpoint(self) -> str:
        address = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(address, bytes)
        return address.rstrip(b"\0").decode()

    def _hear(self, frames: list[bytes]) -> None:
        self._producer.hear(frames)
        if self._producer.decided:
            self._greet_by = None
            self._stop_asking()
        if self._producer.fenced:
            self._end(0.0, self._producer.fenced)


def connected(
    address: str, identity: bytes | None, keys: LinkKeys, limits: ClientLimits, producer: Producer
) -> ClientSocket:
    """A DEALER socket with its own context that connects to `address`; ValueError if it cannot."""
    made = zmq.Context().socket(zmq.DEALER)
    try:
        # With IPV6 set, libzmq resolves a name such as localhost to IPv6 addresses only.
        own = {zmq.HEARTBEAT_IVL: int(1000 * limits.heartbeat), zmq.IPV6: int("[" in address)}
        for name, setting in (_OPTIONS | own).items():
            made.setsockopt(name, setting)
        if identity is not None:
            made.setsockopt(zmq.IDENTITY, identity)
        prove(keys, made)
        _announce(made, producer)
        made.get_monitor_socket(EVENTS)
        made.connect(address)
    except zmq.ZMQError as error:
        made.context.destroy(linger=0)
        raise ValueError(f"cannot connect to {address!r}: {error}") from None
    return made


def with_reason(problem: str, reason: str) -> str:
    """A problem of a call, and what is known of the reason."""
    return f"{problem}; {reason}" if reason else problem


def _announce(made: ClientSocket, producer: Producer) -> None:
    """Let the socket name its producer in each handshake."""
    announced = b"%s:%s" % (wire.PROPERTY, wire.producer_property(producer.id))
    try:
        made.setsockopt(zmq.METADATA, announced)
    except zmq.ZMQError:
        producer.never(f"libzmq {zmq.zmq_version()} cannot ask for receipts: 4.3.4 can")
