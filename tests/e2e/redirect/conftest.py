"""Services and clients of every protocol on real sockets, for tests of the redirector.

A service does to each call what its `behave` says: an answer, raw bytes, raw bytes in a list to
close behind them, None for nothing. A client waits for one answer at a time.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.form import Form
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.soap.form import Soap
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Answer, Asked, Call, Fault, Reading, Result, Tree

FORMS: dict[str, Callable[[], Form]] = {
    "sodep": Sodep, "http": Http, "jsonrpc": JsonRpc, "soap": Soap,
}  # fmt: skip
PATIENCE = 60.0
"""Seconds a client waits."""


def add(call: Call) -> Answer:
    """What most services here do."""
    children = call.value.tree().children
    if call.operation != "sum":
        return Fault("IOException", Tree(f"Invalid operation: {call.operation}"))
    x, y = (children[name][0].payload for name in ("x", "y"))
    if y == 0:
        return Fault("DivisionByZero", Tree("y is zero", {"y": [Tree(0)]}))
    return Result(Tree(x + y))


class Service:
    """A service in threads; `calls` are those it has seen, `connections` how many it was given."""

    def __init__(self, protocol: str, behave: Callable[[Call], Any]) -> None:
        self.calls: list[Call] = []
        self.connections = 0
        service = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    service._serve(self.request, protocol, behave)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Connection)
        self.port: int = self._server.server_address[1]
        self.location = f"socket://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _read(self, asked: list[Asked]) -> Iterator[Asked]:
        for one in asked:
            if isinstance(one.call, Reading):
                yield from result(one.call.steps)
            else:
                yield one

    def _serve(self, sock: socket.socket, protocol: str, behave: Callable[[Call], Any]) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        side = FORMS[protocol]().caller()
        while data := sock.recv(1 << 20):
            for token, call in self._read(side.feed(data)):
                assert isinstance(call, Call), call
                self.calls.append(call)
                answer = behave(call)
                if isinstance(answer, list):  # these bytes, and no more but pauses
                    sock.sendall(answer[0])
                    for pause in answer[1:]:
                        time.sleep(pause)
                    return
                if isinstance(answer, bytes):
                    sock.sendall(answer)
                elif answer is not None:
                    side.answer(token, answer)
            sock.sendall(b"".join(side.take()))


class Caller:
    """One connection of a client."""

    def __init__(self, port: int, protocol: str) -> None:
        self.form = FORMS[protocol]()
        self.side = self.form.service()
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ids = 0

    def ask(self, path: str, operation: str = "sum", value: Tree | None = None) -> Answer:
        """Make one call and wait for its answer; nothing else may come."""
        self._ids += 1
        call = Call(path, operation, value or pair(5, 3))
        self.sock.sendall(b"".join(self.side.send(self.form.request(call, self._ids))))
        while True:
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionError("closed without an answer")
            if found := self.side.feed(data):
                [(id, answer)] = found
                assert id == self._ids
                return result(answer.steps) if isinstance(answer, Reading) else answer

    def close(self) -> None:
        """Disconnect."""
        self.sock.close()


@pytest.fixture(scope="session")
def service_class() -> type[Service]:
    """For services that more than one test uses."""
    return Service


@pytest.fixture(scope="session")
def caller_class() -> type[Caller]:
    """For clients of such a server."""
    return Caller


def pair(x: int, y: int) -> Tree:
    """The value of most calls here."""
    return Tree(None, {"x": [Tree(x)], "y": [Tree(y)]})


@pytest.fixture
def service() -> Iterator[Callable[..., Service]]:
    """Start services: `service("http", behave)`."""
    made: list[Service] = []

    def service(protocol: str = "sodep", behave: Callable[[Call], Any] = add) -> Service:
        made.append(Service(protocol, behave))
        return made[-1]

    yield service
    for one in made:
        one.close()


@pytest.fixture
def caller(ports: dict[str, int]) -> Iterator[Callable[..., Caller]]:
    """Connect clients: `caller("http", "PORT3")`."""
    made: list[Caller] = []

    def caller(protocol: str = "sodep", port: str = "") -> Caller:
        made.append(Caller(ports[port or PORTS[protocol]], protocol))
        return made[-1]

    yield caller
    for one in made:
        one.sock.close()


PORTS = {"cc": "PORT1", "sodep": "PORT2", "http": "PORT3", "jsonrpc": "PORT4", "soap": "PORT8"}
"""Where the server of `INI` takes calls of each protocol."""

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT2
type = calc

[listen:http]
protocol = http
address = tcp://127.0.0.1:PORT3
type = calc

[listen:jsonrpc]
protocol = jsonrpc
address = tcp://127.0.0.1:PORT4
type = calc

[listen:soap]
protocol = soap
address = tcp://127.0.0.1:PORT8
type = calc

[routes]
calc = h:calc
"""


@pytest.fixture
def ini() -> Callable[..., str]:
    """A server with a listener of each protocol: `ini(Sum={"location": ...}, routes=...)`."""

    def ini(routes: str = "", calc: str = "", **services: dict[str, str]) -> str:
        redirects = ", ".join(f"{name} => h:{name}" for name in services)
        parts = [INI + routes, f"[h:calc]\nhandler = redirect\nredirects = {redirects}\n{calc}\n"]
        for name, options in services.items():
            lines = [f"[h:{name}]", "handler = redirect"]
            parts.append("\n".join([*lines, *(f"{key} = {one}" for key, one in options.items())]))
        return "\n".join(parts) + "\n"

    return ini


@pytest.fixture
def value_of() -> Callable[[Answer], Any]:
    """The payload of a result, or (name, payload) of a fault."""

    def value_of(answer: Answer) -> Any:
        payload = answer.value.tree().payload
        return (answer.name, payload) if isinstance(answer, Fault) else payload

    return value_of
