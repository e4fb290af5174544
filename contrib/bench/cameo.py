#!/usr/bin/env python3
"""Speed of the responder proxy of `cameo-proxy`, beside the plainest loop around one ROUTER in C.

The loop (cameo_loop.c) does what CAMEO's own program does, on libzmq. Clients and responder
(cameo_load.c) are one process that costs next to nothing, so that the ratios are those of the two
proxies. Runs alternate; figures are medians of all runs, ratios medians of the pairs. While the 8
clients run flat out, one more client asks now and then: `fast` is the share of its round trips, of
two hops each, below 5 ms. A subscriber of a synchronising publisher gives up after 100 ms. Needs
Linux and gcc.

    python contrib/bench/cameo.py --seconds 2 --runs 5
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import zmq
from growth import cpu

from ccproxy.testing import running_server

HERE = Path(__file__).resolve().parent

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
busy-poll = {busy_poll} us

[routes]

[h:cameo]
handler = cameo-proxy
responder = tcp://127.0.0.1:PORT2
"""


class Load(NamedTuple):
    """Clients, unanswered requests of each, bytes, microseconds between those of the probe."""

    clients: int
    window: int
    bytes: int
    pause: int


LOADS = (Load(1, 1, 100, 0), Load(8, 16, 100, 5000), Load(8, 1, 65536, 5000))


class Figures(NamedTuple):
    """Round trips a second, processor microseconds of the proxy for each, share of fast ones."""

    rate: float
    cost: float
    fast: float


class Proxy(NamedTuple):
    """A running proxy: its process and its port."""

    process: int
    port: int


def library() -> str:
    """The libzmq of the system, or the one that pyzmq brings along."""
    brought = Path(zmq.__file__).parents[1] / "pyzmq.libs"
    return str(next(iter(sorted(brought.glob("libzmq*"))), "libzmq.so.5"))


def compiled(folder: Path, name: str) -> str:
    """Compile a C file; return the path of the program."""
    made = folder / name
    subprocess.run(["gcc", "-O2", "-o", made, HERE / f"{name}.c", "-ldl"], check=True)
    return str(made)


def measured(client: str, proxy: Proxy, load: Load, seconds: float) -> Figures:
    """Make one run; RuntimeError if an answer was lost, doubled or wrong."""
    before = cpu(proxy.process)
    command = [client, *map(str, (proxy.port, *load, seconds))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"{load}: {done.stderr.strip()}")
    rate, _, _, fast = map(float, done.stdout.split())
    used = cpu(proxy.process) - before
    return Figures(rate, 1e6 * used / (rate * seconds), fast)


def compare(client: str, proxies: tuple[Proxy, Proxy], load: Load, args: argparse.Namespace) -> str:
    """A line of the table."""
    pairs = [
        tuple(measured(client, proxy, load, args.seconds) for proxy in proxies)
        for _ in range(args.runs)
    ]
    loop, ours = (
        Figures(*(statistics.median(one[number] for one in side) for number in range(3)))
        for side in zip(*pairs, strict=True)
    )
    rate = statistics.median(two.rate / one.rate for one, two in pairs)
    cost = statistics.median(two.cost / one.cost for one, two in pairs)
    fast = f"  fast {loop.fast:.2%} {ours.fast:.2%}" if load.pause else ""
    return (
        f"{load.clients} x {load.window}, {load.bytes:>5} bytes"
        f" {loop.rate:>9,.0f} /s {loop.cost:>6.2f} us {ours.rate:>9,.0f} /s {ours.cost:>6.2f} us"
        f"   rate {rate:.2f}  processor {cost:.2f}{fast}"
    )


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (default: 2)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument(
        "--busy-poll", type=int, default=0, help="microseconds, see [ccserver] (default: 0)"
    )
    args = parser.parse_args()
    if not shutil.which("gcc"):
        print("no gcc: the programs in C cannot be compiled", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as name, ExitStack() as stack:
        client = compiled(Path(name), "cameo_load")
        command = [compiled(Path(name), "cameo_loop"), library()]
        loop = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(loop.kill)
        assert loop.stdout is not None
        yardstick = Proxy(loop.pid, int(loop.stdout.readline()))
        server = stack.enter_context(running_server(INI.format(busy_poll=args.busy_poll)))
        ours = Proxy(server.process.pid, server.ports["PORT2"])
        print(f"{'':<21}{'the loop in C':>22} {'cameo-proxy':>22}")
        for load in LOADS:
            print(compare(client, (yardstick, ours), load, args), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
