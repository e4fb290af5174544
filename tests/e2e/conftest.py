"""Real servers, libzmq clients, raw sockets that speak ZMTP; each server is audited at its end.

Whatever a test did to a server: when it stops, `received` is the sum of the fates, the counts of
each outbox add up, no message waits, and no stack trace is in the log unless the test said that it
may be.
"""

from __future__ import annotations

import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zmq

from ccproxy.server.control_client import request
from ccproxy.testing.server import RunningServer, free_ports
from ccproxy.wire.zmtp import (
    CommandReceived,
    Handshake,
    MessageReceived,
    Ready,
    Transmit,
    WireConnection,
)
from tests.e2e.delivery import FarSide, Line, Sender
from tests.forkserver import ForkServer

NEW_PYTHON = RunningServer.launch
SECONDS = 60
"""No single wait is longer. A wait ends with its event, so that only a failure lasts so long."""

_NAME = r"name=(?P<name>.*?) queued=(?P<queued>\d+) sent=(?P<sent>\d+) waiting=(?P<waiting>\d+)"
OUTBOX = re.compile(rf"outbox {_NAME}(?P<dropped>( dropped-[\w-]+=\d+)*)$")


def until(condition: Callable[[], Any], what: str = "", seconds: float = SECONDS) -> Any:
    """Look again and again; the first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds:g} s: {what or condition}")


@pytest.fixture(name="until")
def look_until() -> Callable[..., Any]:
    """`until` for tests."""
    return until


class Server(RunningServer):
    """A `ccserver` process whose configuration can be rewritten; see `audit` for its end."""

    tracebacks = False
    """True if a stack trace in the log is what the test is about."""
    killed = False
    forks: ForkServer

    def __init__(
        self, directory: Path, ports: dict[str, int], words: Sequence[str] = (), fresh: bool = False
    ) -> None:
        """`fresh`: as a new Python, not forked from one (see `tests/forkserver.py`)."""
        if fresh:
            self.launch = NEW_PYTHON  # type: ignore[method-assign]
        super().__init__(directory, ports, words)

    def wait_for(self, text: str, timeout: float = SECONDS) -> str:
        return super().wait_for(text, timeout)

    def stop(self, timeout: float = SECONDS) -> int:
        return super().stop(timeout)

    def ended(self) -> int:
        """Wait until it ends by itself, and all that it has said is read; its exit status."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return status

    def count(self, text: str) -> int:
        """How many lines of the log hold this text."""
        return sum(text in line for line in self.lines)

    def wait_for_count(self, text: str, count: int) -> None:
        until(lambda: self.count(text) >= count, f"{count} times {text!r} in the log")

    def reload(self, ini: str, expect: str = "reloaded: ") -> None:
        """Write a new configuration, send SIGHUP, wait until the log answers."""
        (self.directory / "server.ini").write_text(ini, "utf-8")
        before = self.count(expect)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for_count(expect, before + 1)

    def kill(self) -> None:
        """As `kill -9` does."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    @property
    def control(self) -> Path:
        """Its control socket, as the log names it."""
        return Path(self.wait_for("control socket=").partition("control socket=")[2])

    def status(self) -> Any:
        """What it says of itself at its control socket."""
        return request("GET", "/v1/status", [self.control], SECONDS).value

    def facts(self, section: str) -> Any:
        """What the handler of a section says in the status."""
        return {one["section"]: one["facts"] for one in self.status()["handlers"]}[section]

    def verb(self, word: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a verb that asks it, to its end."""
        return self.forks.run(word, str(self.directory / "server.ini"), *words)

    def ledger(self) -> dict[str, int]:
        """After the end: `received` and the fates."""
        line = next(line for line in reversed(self.lines) if "ledger received=" in line)
        return {key: int(count) for key, count in re.findall(r"([a-z-]+)=(\d+)", line)}

    def outboxes(self) -> dict[str, dict[str, int]]:
        """After the end: the counts of each outbox by its name, same names added up."""
        found: dict[str, dict[str, int]] = {}
        for line in self.lines:
            if match := OUTBOX.search(line):
                counts = found.setdefault(match["name"], {})
                pairs = re.findall(r"([a-z-]+)=(\d+)", line[match.start("queued") - 7 :])
                for key, count in pairs:
                    counts[key] = counts.get(key, 0) + int(count)
        return found

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        """Resident bytes."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text("ascii")
        return int(text.split()[1]) * 4096

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / 100


def audit(server: Server) -> None:
    """What has to be true of every server that was stopped."""
    assert server.process.returncode == 0
    ledger = server.ledger()
    assert ledger.pop("received") == sum(ledger.values()), ledger
    outboxes = server.outboxes()
    assert outboxes
    for name, counts in outboxes.items():
        dropped = sum(count for key, count in counts.items() if key.startswith("dropped-"))
        assert counts["queued"] == counts["sent"] + dropped + counts["waiting"], (name, counts)
        kept = f"kept in spool link={name} messages={counts['waiting']} "
        assert not counts["waiting"] or server.count(kept), (name, counts)
    if not server.tracebacks:
        wrong = ("Traceback", "Exception in", "never retrieved", "was destroyed")
        assert not [line for line in server.lines if any(word in line for word in wrong)]


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    """PORT1, PORT2 ... are the same for all servers and clients of a test, and free: sockets that
    are bound but do not listen keep the kernel from giving these ports to other programs."""
    with ExitStack() as stack:
        found = free_ports(12)
        for port in found:
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
        yield {f"PORT{number}": port for number, port in enumerate(found, 1)}


@pytest.fixture
def fill(ports: dict[str, int]) -> Callable[[str], str]:
    """Put the ports of this test into a text."""
    return lambda text: re.sub(r"PORT\d+", lambda word: str(ports[word[0]]), text)


Start = Callable[..., Server]


@pytest.fixture
def start(
    tmp_path: Path, ports: dict[str, int], fill: Callable[[str], str], forks: ForkServer
) -> Iterator[Start]:
    """Start servers; at the end of the test all are stopped and audited."""
    servers: list[Server] = []

    def start(
        ini: str,
        name: str = "server",
        ready: bool = True,
        words: Sequence[str] = (),
        fresh: bool = False,
    ) -> Server:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "server.ini").write_text(fill(ini), "utf-8")
        servers.append(Server(directory, ports, words, fresh))
        servers[-1].forks = forks
        if ready:
            servers[-1].wait_for("ready data-path")
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
        print(
            f"-- {server.directory.name}, exit {server.process.returncode}", *server.lines, sep="\n"
        )
    for server in servers:
        if not server.killed and server.process.returncode != 78:
            audit(server)


Make = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[Make]:
    """libzmq sockets: `make(zmq.DEALER, connect=ADDRESS, identity=b"me")`."""
    context = zmq.Context()
    sockets: list[Any] = []

    def make(kind: int, connect: str = "", bind: str = "", **options: Any) -> Any:
        made: Any = context.socket(kind)
        sockets.append(made)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = SECONDS * 1000
        made.reconnect_ivl = 20
        for name, value in options.items():
            setattr(made, name, value)
        if bind:
            until(lambda: _bound(made, bind), f"to listen on {bind}")
        if connect:
            made.connect(connect)
        return made

    yield make
    for made in sockets:
        made.close()
    context.destroy(linger=0)  # sockets of monitors as well


def _bound(made: Any, address: str) -> bool:
    """libzmq closes in the background: the address may still be taken by the socket before."""
    try:
        made.bind(address)
    except zmq.ZMQError as error:
        if error.errno != zmq.EADDRINUSE:
            raise
        return False
    return True


class Wire:
    """A blocking socket that speaks ZMTP with our own codec, in as many steps as asked."""

    def __init__(self, sock: socket.socket, kind: bytes = b"DEALER", identity: bytes = b"") -> None:
        sock.settimeout(SECONDS)
        self.sock = sock
        self.connection = WireConnection(Handshake(kind, identity))
        self.waiting: list[Any] = []

    def greet(self) -> Wire:
        """Do the whole handshake."""
        self.sock.sendall(self.connection.start())
        self.wait(Ready)
        return self

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(self.connection.send(frames))

    def message(self) -> list[bytes]:
        return self.wait(MessageReceived).frames  # type: ignore[no-any-return]

    def command(self) -> Any:
        return self.wait(CommandReceived).command

    def wait(self, kind: type) -> Any:
        """The next event of this kind; ConnectionError if the far side closes before it."""
        while True:
            while self.waiting:
                if isinstance(event := self.waiting.pop(0), kind):
                    return event
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionError("closed by the far side")
            for event in self.connection.receive(data):
                if isinstance(event, Transmit):
                    self.sock.sendall(event.data)
                self.waiting.append(event)

    def closed(self) -> bool:
        """Wait until the far side closes; what it sends before is thrown away."""
        try:
            while self.sock.recv(1 << 20):
                pass
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """End the connection the hard way, by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@pytest.fixture
def dial(ports: dict[str, int]) -> Iterator[Callable[..., Wire]]:
    """Connect a raw socket to a port; the handshake is up to the test (`greet`)."""
    made: list[Wire] = []

    def dial(
        word: str = "PORT1", kind: bytes = b"DEALER", identity: bytes = b"", buffer: int = 0
    ) -> Wire:
        sock = socket.socket()
        made.append(Wire(sock, kind, identity))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.connect(("127.0.0.1", ports[word]))
        return made[-1]

    yield dial
    for wire in made:
        wire.sock.close()


@pytest.fixture
def await_dial(ports: dict[str, int]) -> Iterator[Callable[..., Wire]]:
    """Listen on a port with a raw socket and take the link that comes."""
    made: list[socket.socket] = []

    def await_dial(word: str = "PORT2", kind: bytes = b"ROUTER") -> Wire:
        listener = socket.create_server(("127.0.0.1", ports[word]))
        listener.settimeout(SECONDS)
        made.append(listener)
        accepted, _ = listener.accept()
        listener.close()
        made.append(accepted)
        return Wire(accepted, kind)

    yield await_dial
    for one in made:
        one.close()


@pytest.fixture
def line(ports: dict[str, int]) -> Iterator[Line]:
    """A line from PORT3 to PORT2 that can be cut."""
    made = Line(ports)
    yield made
    made.close()


@pytest.fixture
def far(start: Start, tmp_path: Path) -> FarSide:
    """Starts far sides that record the numbers of messages."""
    return FarSide(start, tmp_path)


@pytest.fixture
def sender(fill: Callable[[str], str]) -> Iterator[Callable[..., Sender]]:
    """Starts senders of numbered messages to PORT1, or to another address."""
    made: list[Sender] = []

    def sender(address: str = "tcp://127.0.0.1:PORT1", **options: Any) -> Sender:
        made.append(Sender(fill(address), **options))
        return made[-1]

    yield sender
    for one in made:
        one.finish()
