#!/usr/bin/env python3
"""Speed of `handler = redirect`: calls through it against calls straight to the service.

    python contrib/bench/redirect.py                        all parts, about six minutes
    python contrib/bench/redirect.py --only forms --form soap --clients 8 --seconds 2
    python contrib/bench/redirect.py --only relay

Each part is a table. `relay`: sodep to sodep, with an echo and clients in C that cost next to
nothing, beside the two relays in C of redirect_relay.c. `python`: the same clients and a service in
Python that adds two numbers. `forms`: clients and services in Python, in every protocol, also
inside TLS at both ends, and HTTP that passes as it is.

Runs of all ways alternate; figures are medians, ratios medians of what ran side by side. Times are
of the processor, of one call: user and system of the whole process, from the kernel, in
nanoseconds. Needs Linux; `relay` and `python` need gcc, TLS needs the package `trustme`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import clock_gettime
from typing import NamedTuple

from ccproxy.testing import running_server

HERE = Path(__file__).resolve().parent
SERVICE = HERE.parent / "redirect" / "service.py"
ENDS = HERE / "redirect_ends.py"
TRIES = 20

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
busy-poll = {busy_poll} us

[listen:calls]
protocol = {protocol}
address = tcp://127.0.0.1:PORT2
type = calc
{listener}

[routes]
calc.Sum = h:sum

[h:sum]
handler = redirect
protocol = {protocol}
location = socket://localhost:{port}
{redirect}
"""


class Load(NamedTuple):
    """How clients in C call: connections, unanswered requests on each, BYTES of the program."""

    what: str
    connections: int
    window: int
    bytes: int


LOADS = {
    "relay": (
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


class Form(NamedTuple):
    """A row of the forms: its name, form and protocol, options of listener and redirect."""

    what: str
    form: str
    protocol: str
    listener: str = ""
    redirect: str = ""
    tls: bool = False


XML = "format = xml\nnumbers = infer"
FORMS = (
    Form("http, XML", "http-xml", "http", "numbers = infer", f"{XML}\nconnections = 8"),
    Form("the same, serial", "http-xml", "http", "numbers = infer", XML),
    Form("http, JSON", "http-json", "http"),
    Form("http, passed", "http-pass", "http", "http = pass"),
    Form("jsonrpc", "jsonrpc", "jsonrpc"),
    Form("soap", "soap", "soap"),
    Form("sodep", "sodep", "sodep"),
    Form("https, XML", "http-xml", "https", "numbers = infer", f"{XML}\nconnections = 8", True),
    Form("https, passed", "http-pass", "https", "http = pass", "", True),
    Form("jsonrpcs", "jsonrpc", "jsonrpcs", tls=True),
    Form("soaps", "soap", "soaps", tls=True),
    Form("sodeps", "sodep", "sodeps", tls=True),
)


class Program(NamedTuple):
    """A process that listens, as ccserver does."""

    pid: int
    port: int


class Run(NamedTuple):
    """Calls a second, median of round trips in microseconds, microseconds of CPU for a call."""

    rate: float
    wait: float
    cpu: float


Measure = Callable[[Program, str], Run]
"""Calls a program at a path."""


def cpu(pid: int) -> float:
    """Seconds of processor time of a process, user and system."""
    return clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid of the C library has it


def started(stack: ExitStack, command: list[str]) -> Program:
    """Start a program that prints its port; it is ended when the stack closes."""
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.terminate)
    assert process.stdout is not None
    return Program(process.pid, int(process.stdout.readline()))


def output(command: list[str], seconds: float) -> list[float]:
    """The numbers that a load prints; RuntimeError if an answer was lost, doubled or wrong."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return [float(one) for one in done.stdout.split()]


def measured(program: Program, command: list[str], seconds: float) -> Run:
    """One run of a load; one in which a busy machine let no answer through is made again."""
    for _ in range(TRIES):
        before = cpu(program.pid)
        rate, *wait = output(command, seconds)
        used = cpu(program.pid) - before
        if rate:
            break
    else:
        raise RuntimeError(f"{' '.join(command)}: no answer in {TRIES} runs")
    return Run(rate, wait[0] if wait else 0.0, used / (rate * seconds) * 1e6)


def alternating(
    ways: dict[str, tuple[Program, str]], measure: Measure, runs: int
) -> list[dict[str, Run]]:
    """What each way has given, run by run."""
    return [{way: measure(*place) for way, place in ways.items()} for _ in range(runs)]


def ratio(found: list[dict[str, Run]], one: str, other: str, field: str) -> float:
    """The median of a ratio of what ran side by side."""
    return median(getattr(run[one], field) / getattr(run[other], field) for run in found)


def middle(found: list[dict[str, Run]], way: str, field: str) -> float:
    """The median of a figure."""
    return median(getattr(run[way], field) for run in found)


class Bench:
    """One measurement: the C programs, the arguments, and what is started for a part."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder = folder
        self.args = args

    def compiled(self, name: str) -> str:
        """Compile a C file; return the path of the program."""
        made = self.folder / name
        subprocess.run(["gcc", "-O2", "-o", str(made), str(HERE / f"{name}.c")], check=True)
        return str(made)

    def server(self, stack: ExitStack, form: Form, port: int) -> Program:
        """A ccserver in front of a service."""
        listener, redirect = form.listener, form.redirect
        if form.tls:
            listener += f"\ntls-certificate = {self.folder / 'pair.pem'}"
            redirect += f"\ntls-ca = {self.folder / 'ca.pem'}"
        ini = INI.format(
            busy_poll=self.args.busy_poll, protocol=form.protocol, port=port, listener=listener,
            redirect=redirect,
        )  # fmt: skip
        made = stack.enter_context(running_server(ini))
        return Program(made.process.pid, made.ports["PORT2"])

    def in_c(self, part: str) -> None:
        """The table of `relay` or of `python`."""
        seconds = self.args.seconds
        client = self.compiled("redirect_client")
        with ExitStack() as stack:
            command = [sys.executable, str(SERVICE), "sum"]
            if part == "relay":
                command = [self.compiled("redirect_service")]
            service = started(stack, command)
            ways = {"direct": (service, "/")}
            if part == "relay":
                relay = self.compiled("redirect_relay")
                for way in ("copy", "frame"):
                    ways[way] = started(stack, [relay, str(service.port), way]), "/Sum"
            server = self.server(stack, Form("", "sodep", "sodep"), service.port)
            ways["ccserver"] = server, "/Sum"
            names = "".join(f"{way:>26}" for way in ways)
            print(f"\n{part:<18}{names}   ratio" + "  CPU/copy  CPU/frame" * (part == "relay"))
            for load in LOADS[part]:

                def measure(program: Program, path: str, load: Load = load) -> Run:
                    numbers = [load.connections, load.window, load.bytes, seconds]
                    command = [client, str(program.port), path, *map(str, numbers)]
                    return measured(program, command, seconds)

                found = alternating(ways, measure, self.args.runs)
                cells = "".join(
                    f"{middle(found, way, 'rate'):>10,.0f} /s {middle(found, way, 'cpu'):>9.2f} us"
                    for way in ways
                )
                line = f"{load.what:<18}{cells} {ratio(found, 'ccserver', 'direct', 'rate'):>7.2f}"
                if part == "relay":
                    line += f"{ratio(found, 'ccserver', 'copy', 'cpu'):>10.2f}"
                    line += f"{ratio(found, 'ccserver', 'frame', 'cpu'):>11.2f}"
                print(line, flush=True)

    def forms(self) -> None:
        """The table of the forms."""
        args = self.args
        wanted = [
            one for one in FORMS if one.what in args.form and (not one.tls or self.certificates())
        ]
        print(f"\nforms, {args.clients} clients         direct              ccserver   ratio")
        for form in wanted:
            with ExitStack() as stack:
                tls = ["--tls", str(self.folder / "pair.pem")] if form.tls else []
                service = started(stack, [sys.executable, str(ENDS), "service", form.form, *tls])
                server = self.server(stack, form, service.port)
                ca = ["--tls", str(self.folder / "ca.pem")] if form.tls else []

                def measure(
                    program: Program, path: str, form: Form = form, ca: list[str] = ca
                ) -> Run:
                    load = [form.form, str(program.port), path, str(args.clients)]
                    command = [sys.executable, str(ENDS), "clients", *load, str(args.seconds), *ca]
                    return measured(program, command, args.seconds)

                ways = {"direct": (service, ""), "ccserver": (server, "/Sum")}
                found = alternating(ways, measure, args.runs)
                cells = "".join(
                    f"{middle(found, way, 'rate'):>8,.0f} /s {middle(found, way, 'cpu'):>5.0f} us"
                    for way in ways
                )
                shown = ratio(found, "ccserver", "direct", "rate")
                print(f"{form.what:<20}{cells} {shown:>7.2f}", flush=True)

    def certificates(self) -> bool:
        """Make those of TLS, once; False if they cannot be made here."""
        pair = self.folder / "pair.pem"
        try:
            import trustme
        except ImportError:
            return False
        if not pair.exists():
            authority = trustme.CA()
            authority.cert_pem.write_to_path(self.folder / "ca.pem")
            made = authority.issue_cert("localhost", "127.0.0.1")
            made.private_key_and_cert_chain_pem.write_to_path(pair)
            pair.chmod(0o600)
        return True


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = [*LOADS, "forms"]
    parser.add_argument("--only", choices=parts, nargs="+", default=parts, help="which tables")
    names = [one.what for one in FORMS]
    parser.add_argument("--form", choices=names, nargs="+", default=names, help="which rows")
    parser.add_argument("--clients", type=int, default=8, help="callers of a form (default: 8)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run (default: 1)")
    parser.add_argument("--runs", type=int, default=5, help="of each way (default: 5)")
    parser.add_argument(
        "--busy-poll", type=int, default=0, help="microseconds, see [ccserver] (default: 0)"
    )
    args = parser.parse_args()
    if not shutil.which("gcc") and set(args.only) & LOADS.keys():
        print("no gcc: the clients cannot be compiled; try --only forms", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="ccproxy-bench-") as folder:
        bench = Bench(Path(folder), args)
        for part in args.only:
            if part == "forms":
                bench.forms()
            else:
                bench.in_c(part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
