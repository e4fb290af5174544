#!/usr/bin/env python3
"""Speed of `handler = redirect`: calls through it against calls straight to the service.

There are two services. `c` is an echo in C that costs almost nothing, so that its ratios are the
worst case. `python` is contrib/redirect/service.py, which reads the value and adds two numbers, as
a real service would. The clients are in C. Direct and relayed runs alternate; ratios are medians of
their pairs. Needs Linux and gcc.

    python contrib/bench/redirect.py --service python --seconds 2 --runs 5
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

from ccproxy.testing import running_server

HERE = Path(__file__).resolve().parent
SERVICE = HERE.parent / "redirect" / "service.py"

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
busy-poll = {busy_poll} us

[listen:calc]
protocol = sodep
address = tcp://127.0.0.1:PORT2
type = calc

[routes]
calc.Sum = h:sum

[h:sum]
handler = redirect
location = socket://127.0.0.1:{port}
"""


class Load(NamedTuple):
    """How clients call: connections, unanswered requests on each, BYTES of redirect_client.c."""

    what: str
    connections: int
    window: int
    bytes: int


LOADS = {
    "c": (
        Load("1 client", 1, 1, 24),
        Load("8 clients", 8, 1, 24),
        Load("64 pipelined", 1, 64, 24),
        Load("1 client, 64 KiB", 1, 1, 65536),
        Load("8 clients, 64 KiB", 8, 1, 65536),
    ),
    "python": (
        Load("1 client", 1, 1, 0),
        Load("8 clients", 8, 1, 0),
        Load("64 pipelined", 1, 64, 0),
        Load("1 client, 64 KiB", 1, 1, -65536),
        Load("8 clients, 64 KiB", 8, 1, -65536),
    ),
}


class Figures(NamedTuple):
    """Requests a second, median of round trips in microseconds."""

    rate: float
    median: float


def compiled(folder: Path, name: str) -> str:
    """Compile a C file; return the path of the program."""
    made = folder / name
    subprocess.run(["gcc", "-O2", "-o", str(made), str(HERE / f"{name}.c")], check=True)
    return str(made)


def started(stack: ExitStack, command: list[str]) -> int:
    """Start a service that prints its port; it is ended when the stack closes."""
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.terminate)
    assert process.stdout is not None
    return int(process.stdout.readline())


def measured(client: str, port: int, path: str, load: Load, seconds: float) -> Figures:
    """Make one run; RuntimeError if an answer was lost, doubled or wrong."""
    numbers = [load.connections, load.window, load.bytes, seconds]
    command = [client, str(port), path, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode:
        raise RuntimeError(f"{load.what} at {path}: {done.stderr.strip()}")
    rate, median = map(float, done.stdout.split())
    return Figures(rate, median)


def compare(client: str, ports: tuple[int, int], load: Load, args: argparse.Namespace) -> str:
    """A line of the table."""
    pairs = []
    for _ in range(args.runs):
        direct = measured(client, ports[0], "/", load, args.seconds)
        pairs.append((direct, measured(client, ports[1], "/Sum", load, args.seconds)))
    direct, relayed = (
        Figures(*(statistics.median(one[number] for one in side) for number in range(2)))
        for side in zip(*pairs, strict=True)
    )
    ratio = statistics.median(through.rate / straight.rate for straight, through in pairs)
    return (
        f"{load.what:<18} {direct.rate:>9,.0f} /s {direct.median:>7.0f} us"
        f" {relayed.rate:>9,.0f} /s {relayed.median:>7.0f} us   {ratio:.2f}"
    )


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--service", choices=[*LOADS, "both"], default="both", help="which one")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run (default: 1)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument(
        "--busy-poll", type=int, default=0, help="microseconds, see [ccserver] (default: 0)"
    )
    args = parser.parse_args()
    if not shutil.which("gcc"):
        print("no gcc: the clients cannot be compiled", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as name, ExitStack() as stack:
        client = compiled(Path(name), "redirect_client")
        commands = {
            "c": [compiled(Path(name), "redirect_service")],
            "python": [sys.executable, str(SERVICE), "sum"],
        }
        for kind in LOADS if args.service == "both" else [args.service]:
            port = started(stack, commands[kind])
            ini = INI.format(port=port, busy_poll=args.busy_poll)
            server = stack.enter_context(running_server(ini))
            print(f"\n{kind + ' service':<18} {'direct':>23} {'through ccserver':>23}   ratio")
            for load in LOADS[kind]:
                print(compare(client, (port, server.ports["PORT2"]), load, args), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
