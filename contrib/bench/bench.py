#!/usr/bin/env python3
"""Speed of `ccserver` between pyzmq programs: one sender and `--fan` sinks, each in its process.

Prints messages a second, CPU of the server per message received, and the time from sender to sink.
Sender and sinks are slower than the server, so the rate is only a lower bound; the CPU figure is
exact. Needs Linux, whose scheduler counts the CPU time of the server.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import zmq

SINK_TIMEOUT = 30.0
"""Seconds without a message after which a sink gives up."""
WARM_UP = 1.0
"""Seconds that the links get to connect."""

SERVER = """[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = remote

[routes]
log = {names}
"""
LINK = """
[h:sink{number}]
handler = proxy
remote-cc = tcp://127.0.0.1:{port}
queue = 256 MiB
on-full = block
"""


def send(port: int, args: argparse.Namespace) -> None:
    """Send the messages, evenly spaced if a rate is given; each carries its time of sending."""
    body = json.dumps({"req": "log.info", "log_msg": "x" * args.body}).encode()
    pause = 1 / args.rate if args.rate else 0.0
    with closing(zmq.Context.instance().socket(zmq.DEALER)) as dealer:
        dealer.sndhwm = 100_000
        dealer.linger = -1
        dealer.connect(f"tcp://127.0.0.1:{port}")
        begin = time.perf_counter()
        for number in range(args.count):
            while pause and time.perf_counter() < begin + number * pause:
                time.sleep(min(pause, 0.001) / 2)
            stamp = time.monotonic_ns().to_bytes(8, "big")
            dealer.send_multipart([b"", b"log.info", body, b"", stamp])


def receive(count: int) -> None:
    """Print the port, receive the messages, and print the measured figures as JSON."""
    taken = []
    with closing(zmq.Context.instance().socket(zmq.ROUTER)) as router:
        router.rcvhwm = 100_000
        print(router.bind_to_random_port("tcp://127.0.0.1"), flush=True)
        begin = 0
        while len(taken) < count and router.poll(int(1000 * SINK_TIMEOUT)):
            stamp = router.recv_multipart()[-1]
            now = time.monotonic_ns()
            begin = begin or now
            taken.append(now - int.from_bytes(stamp, "big"))
    seconds = (time.monotonic_ns() - begin) / 1e9
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
    result = {"got": len(taken), "rate": len(taken) / seconds, "p50": cuts[49], "p99": cuts[98]}
    print(json.dumps(result))


def start(stack: ExitStack, *words: str) -> subprocess.Popen[str]:
    """Start a process that is ended when the stack closes."""
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def start_server(stack: ExitStack, sinks: list[int], folder: Path) -> tuple[int, int]:
    """Start a server that forwards to all sinks; return its process id and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = ", ".join(f"h:sink{number}" for number in range(len(sinks)))
    text = SERVER.format(port=port, names=names)
    text += "".join(LINK.format(number=number, port=sink) for number, sink in enumerate(sinks))
    (folder / "bench.ini").write_text(text)
    server = start(stack, "-m", "ccproxy", "-q", str(folder / "bench.ini"))
    time.sleep(WARM_UP)
    if server.poll() is not None:
        raise RuntimeError(f"the server ended with status {server.returncode}")
    return server.pid, port


def cpu_seconds(process: int) -> float:
    """The CPU time of all threads of a process, with the resolution of a nanosecond."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def run(args: argparse.Namespace) -> None:
    """Make one measurement and print it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ccproxy-bench-")))
        sinks = [start(stack, __file__, "--sink", str(args.count)) for _ in range(args.fan)]
        ports = [int(sink.stdout.readline()) for sink in sinks if sink.stdout]
        server, port = start_server(stack, ports, folder)
        before = cpu_seconds(server)
        send(port, args)
        seen = [json.loads(sink.communicate(timeout=10 * SINK_TIMEOUT)[0]) for sink in sinks]
        used = cpu_seconds(server) - before
    got = min(one["got"] for one in seen)
    print(
        f"fan {args.fan}  body {args.body}  lost {args.count - got}  "
        f"rate {min(one['rate'] for one in seen):,.0f}/s  "
        f"server {used / args.count * 1e6:.2f} us CPU/message  "
        f"p50 {max(one['p50'] for one in seen) / 1000:.0f} us  "
        f"p99 {max(one['p99'] for one in seen) / 1000:.0f} us"
    )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="messages to send")
    parser.add_argument("--fan", type=int, default=1, help="sinks each message goes to")
    parser.add_argument("--body", type=int, default=200, help="bytes of the JSON's text")
    parser.add_argument("--rate", type=float, default=0, help="messages a second; 0 = all at once")
    parser.add_argument("--runs", type=int, default=1, help="measurements to make")
    parser.add_argument("--sink", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.sink:
        receive(args.sink)
        return
    for _ in range(args.runs):
        run(args)


if __name__ == "__main__":
    main()
