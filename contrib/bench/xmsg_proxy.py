#!/usr/bin/env python3
"""What a message of xMsg costs in a proxy: that of this package, a listener with routes, a
gateway, and zmq.proxy, which is C.

    python contrib/bench/xmsg_proxy.py                          three rounds, about two minutes
    python contrib/bench/xmsg_proxy.py --bodies 100 --runs 1

One publisher sends messages of three frames (topic, metadata, body) to one subscriber as fast as
the proxy reads, in rounds in which each proxy has its turn. Both are plain sockets with prepared
bytes, so that they do not set the pace. CPU is that of the proxy, all threads, from the account of
the kernel, in microseconds for each message that has arrived; the median of the rounds is shown.
Linux only.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from growth import connect, cpu

from ccproxy.wire.zmtp import pack

HOST = "127.0.0.1"
TOPIC, META = b"data:10.1.1.10_java:trevor:Engine1", bytes.fromhex("720c62696e6172792f6279746573")
QUEUE = "queue = 256 MiB\non-full = block\n"
CONF = {
    "xmsg-proxy": "[routes]\n[h:p]\nhandler = xmsg-proxy\naddress = {p}\n" + QUEUE,
    "xmsg-proxy with routes": "[routes]\nc = h:p\n[h:p]\nhandler = xmsg-proxy\naddress = {p}\n"
    "type = c\ntopics = yes\n" + QUEUE,
    "listener and zmq": "[listen:p]\nprotocol = zmq\nsocket = xsub\naddress = {p}\ntype = c\n"
    "[routes]\nc = h:s\n[h:s]\nhandler = zmq\nsocket = xpub\nbind = {s}\n" + QUEUE,
    "clara-gateway": "[routes]\n[h:p]\nhandler = clara-gateway\naddress = {p}\n"
    "dpes = 10.1.1.10_java\n" + QUEUE,
}
LIBZMQ = """
import zmq
c = zmq.Context()
f, b = c.socket(zmq.XSUB), c.socket(zmq.XPUB)
for one in (f, b): one.sndhwm = one.rcvhwm = 0
b.setsockopt(zmq.XPUB_NODROP, 1)
f.bind("{p}")
b.bind("{s}")
zmq.proxy(f, b)
"""
CHUNK = 200
"""Messages of one call to the kernel."""
CLARA_P = 17_771
"""Where each proxy has its port P, one after the other."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--bodies", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    lost = 0
    for body in args.bodies:
        found: dict[str, list[tuple[float, float, int]]] = {}
        for _ in range(args.runs):
            for name in (*CONF, "zmq.proxy"):
                found.setdefault(name, []).append(measure(name, body, args.count))
        for name, runs in found.items():
            used, rate = (statistics.median(one[number] for one in runs) for number in (0, 1))
            lost += sum(one[2] for one in runs)
            print(f"body {body:5}  {name:23} {used:6.3f} us CPU/message {rate:10,.0f}/s")
    print(f"lost {lost}")
    return int(lost > 0)


def measure(name: str, body: int, count: int) -> tuple[float, float, int]:
    """Microseconds of the proxy for each message, messages in a second, lost messages."""
    p, s = (f"tcp://{HOST}:{CLARA_P + offset}" for offset in (0, 1))
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", LIBZMQ.format(p=p, s=s)]
        if name in CONF:
            file = Path(folder, "bench.ini")
            file.write_text("[ccserver]\ncontrol = no\n" + CONF[name].format(p=p, s=s), "utf-8")
            command = [sys.executable, "-m", "ccproxy", str(file)]
        proxy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return flood(proxy.pid, pack([TOPIC, META, bytes(body)]), count)
        finally:
            proxy.terminate()
            proxy.wait()


def flood(pid: int, message: bytes, count: int) -> tuple[float, float, int]:
    """Send a message many times; the same as `measure`."""
    with connect(CLARA_P + 1, b"SUB") as sub, connect(CLARA_P, b"PUB") as pub:
        sub.sendall(pack([b"\1data"]))
        heard = b""
        while pack([b"\1data"]) not in heard:
            heard += pub.recv(4096)
        if not (child := os.fork()):
            send(pub, message, count)
            os._exit(0)
        before, begun, seen = cpu(pid), time.perf_counter(), 0
        sub.settimeout(5)
        while seen < len(message) * count:
            try:
                seen += len(sub.recv(1 << 18))
            except TimeoutError:
                break
        took, used = time.perf_counter() - begun, cpu(pid) - before
        os.waitpid(child, 0)
        messages = seen // len(message)
        return 1e6 * used / max(1, messages), messages / took, count - messages


def send(pub: socket.socket, message: bytes, count: int) -> None:
    """Send as fast as the proxy reads."""
    chunk = message * CHUNK
    for _ in range(count // CHUNK):
        pub.sendall(chunk)
    pub.sendall(message * (count % CHUNK))


if __name__ == "__main__":
    sys.exit(main())
