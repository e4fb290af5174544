"""A proxy and a registrar as plain as they can be, on pyzmq, for tests of programs that use them.

Ports of a proxy are a block, P to P+2, and the registrar of CLARA is at P+4. The DPEs of
contrib/clara run in threads.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from typing import Any

import zmq

from ccproxy_handlers.xmsg.messages import classes

RECORD = classes("bytes")["Registration"]


BLOCK = 5
"""Ports of a front-end: P to P+4."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
HOST = f"127.7.0.{_WORKER + 1}"
"""Each worker of pytest-xdist has an address of its own, so their blocks do not meet."""


BLOCKS = range(20_000, 32_000, BLOCK)
"""Where blocks begin: behind the ports that `free_ports` of other workers tries, which takes them
for a moment on all addresses."""
_TURN = cycle(random.SystemRandom().sample(BLOCKS, len(BLOCKS)))
"""None is given again before all others were: a test may take three before it listens on one."""


def free_block(host: str = HOST) -> int:
    """The first of `BLOCK` ports in a row that nothing listens on."""
    while True:
        port = next(_TURN)
        with suppress(OSError), ExitStack() as stack:
            for offset in range(BLOCK):
                one = stack.enter_context(socket.socket())
                one.bind((host, port + offset))
            return port


class Server(threading.Thread):
    """A thread with sockets that ends when it is told to."""

    def __init__(self, *sockets: tuple[int, int]) -> None:
        """`sockets` are types and ports."""
        super().__init__(daemon=True)
        self.sockets = []
        self._ended = threading.Event()
        for kind, port in sockets:
            made = zmq.Context.instance().socket(kind)
            made.linger, made.sndhwm, made.rcvhwm = 0, 0, 0
            made.bind(f"tcp://{HOST}:{port}")
            self.sockets.append(made)

    def run(self) -> None:
        """Serve until the end."""
        poller = zmq.Poller()
        for made in self.sockets:
            poller.register(made, zmq.POLLIN)
        self.begin()
        while not self._ended.is_set():
            for made, _ in poller.poll(20):
                self.take(made, made.recv_multipart())
        for made in self.sockets:
            made.close()

    def begin(self) -> None:
        """Called once in the thread."""

    def take(self, made: zmq.Socket, frames: list[bytes]) -> None:
        """One message."""

    def end(self) -> None:
        """Stop the thread and close the sockets."""
        self._ended.set()
        self.join()


class PlainProxy(Server):
    """XSUB, XPUB and the control channel."""

    def __init__(self, port: int) -> None:
        super().__init__((zmq.XSUB, port), (zmq.XPUB, port + 1), (zmq.ROUTER, port + 2))
        self.publications, self.subscriptions, self.control = self.sockets

    def begin(self) -> None:
        self.publications.send(b"\1xmsg:control")

    def take(self, made: zmq.Socket, frames: list[bytes]) -> None:
        if made is self.subscriptions:
            self.publications.send_multipart(frames)
        elif made is self.publications:
            if frames[0].startswith(b"xmsg:control") and len(frames) == 3:
                self._obey(*frames[1:])
            self.subscriptions.send_multipart(frames)

    def _obey(self, word: bytes, about: bytes) -> None:
        if word == b"pub":
            self.control.send_multipart([about, b"pub"])
        elif word == b"sub":
            self.subscriptions.send_multipart([about, b"sub"])


class PlainRegistrar(Server):
    """What CLARA asks of a registrar, by walking over all records."""

    def __init__(self, port: int) -> None:
        super().__init__((zmq.REP, port))
        self.records: dict[str, list] = {"Publisher": [], "Subscriber": []}

    def take(self, made: zmq.Socket, frames: list[bytes]) -> None:
        action, _, data = frames
        kind = "Publisher" if b"Publisher" in action else "Subscriber"
        word = action.decode().removesuffix("Registration").removesuffix(kind)
        found = self._do(word, self.records[kind], data)
        answer = [one.SerializeToString() for one in found]
        made.send_multipart([action, b"127.0.0.1:registrar", b"success", *answer])

    def _do(self, word: str, records: list, data: bytes) -> list:
        if word == "all":
            return records
        if word == "removeAll":
            for each in self.records.values():
                each[:] = [one for one in each if one.host != data]
            return []
        asked = RECORD.FromString(data)
        if word == "register":
            records += [asked] if asked not in records else []
        if word == "remove":
            records[:] = [
                one for one in records if (one.name, one.host) != (asked.name, asked.host)
            ]
        if word != "filter":
            return []
        wanted = [(name, getattr(asked, name)) for name in ("domain", "subject", "type")]
        return [one for one in records if all(v in (b"*", getattr(one, n)) for n, v in wanted)]


@contextmanager
def frontend(port: int) -> Iterator[PlainRegistrar]:
    """A proxy at P and a registrar at P+4, as the front-end of CLARA has them."""
    servers = PlainProxy(port), PlainRegistrar(port + 4)
    for one in servers:
        one.start()
    try:
        yield servers[1]
    finally:
        for one in servers:
            one.end()


@contextmanager
def served(*dpes: Any, period: float = 0.1) -> Iterator[None]:
    """Run DPEs in threads of their own, as they are in processes elsewhere. `period` is in seconds
    between two of their reports."""
    threads = [threading.Thread(target=one.serve, kwargs={"period": period}) for one in dpes]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        for one in dpes:
            one.running = False
        for one in threads:
            one.join()
        for one in dpes:
            one.close()
