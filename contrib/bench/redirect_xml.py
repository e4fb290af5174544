#!/usr/bin/env python3
"""Speed of a redirect to services of XML and SOAP: calls through it against calls straight to them.

The services are contrib/redirect/web_service.py, in Python with the standard library, which parses
each call and adds two numbers. The clients are threads of a process of their own, each with one
connection and one call at a time, in the protocol of the service. Direct and relayed runs
alternate; ratios are medians of their pairs. `http, serial` is what a Jolie service gets: one
connection; `http` has 8, for services that are no Jolie programs.

    python contrib/bench/redirect_xml.py --clients 8 --seconds 2 --runs 5
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from ccproxy.testing import running_server

SERVICE = Path(__file__).resolve().parents[1] / "redirect" / "web_service.py"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SCHEMA = "http://www.w3.org/2001/XMLSchema"
VALUE = "<sum><x{0}>5</x><y{0}>3</y></sum>"
ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8" ?><SOAP-ENV:Envelope xmlns:SOAP-ENV="{}" xmlns:xsd="{}" '
    'xmlns:xsi="{}-instance"><SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>'
)
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:calls]
protocol = {protocol}
address = tcp://127.0.0.1:PORT2
type = calc
numbers = infer

[routes]
calc.Sum = h:sum

[h:sum]
handler = redirect
protocol = {protocol}
format = xml
numbers = infer
connections = {connections}
location = socket://127.0.0.1:{port}
"""


class Case(NamedTuple):
    """A protocol, and how many connections the redirect has."""

    name: str
    protocol: str
    connections: int


CASES = (Case("http, serial", "http", 0), Case("http", "http", 8), Case("soap", "soap", 0))


def request(protocol: str, resource: str) -> bytes:
    """One call, as a Jolie program writes it."""
    if protocol == "soap":
        typed = VALUE.format(' xsi:type="xsd:int"')
        body = ENVELOPE.format(SOAP, SCHEMA, SCHEMA, typed)
        lines = [f"POST {resource or '/'} HTTP/1.1", 'SOAPAction: "/sum"']
    else:
        body = VALUE.format("")
        target = f"/!{resource}!/sum" if resource else "/sum"
        lines = [f"POST {target} HTTP/1.1", "X-Jolie-Operation: sum"]
    lines += ["Host: localhost", "Content-Type: text/xml; charset=utf-8"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


def calls(port: int, data: bytes, end: float) -> int:
    """Call on one connection until the end; how often. RuntimeError for a wrong answer."""
    made = 0
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while perf_counter() < end:
            sock.sendall(data)
            found = sock.recv(65536)
            while b"sumResponse>" not in found[-80:]:
                part = sock.recv(65536)
                if not part or b"HTTP/1.1 500" in found:
                    raise RuntimeError(f"a wrong answer: {found[-200:]!r}")
                found += part
            if b">8<" not in found:
                raise RuntimeError(f"a wrong answer: {found[-200:]!r}")
            made += 1
    return made


def load(port: int, protocol: str, resource: str, clients: int, seconds: float) -> None:
    """Print the calls a second of so many clients."""
    data, counts = request(protocol, resource), []
    end = perf_counter() + seconds
    threads = [
        threading.Thread(target=lambda: counts.append(calls(port, data, end)))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < clients:
        raise RuntimeError("a client has failed")
    print(sum(counts) / seconds)


def measured(port: int, case: Case, resource: str, args: argparse.Namespace) -> float:
    """Make one run in a process of its own; calls a second."""
    command = [sys.executable, __file__, "--load", str(port), case.protocol, resource]
    command += ["--clients", str(args.clients), "--seconds", str(args.seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=args.seconds + 60)
    if done.returncode:
        raise RuntimeError(f"{case.name} {resource}: {done.stderr.strip()[-300:]}")
    return float(done.stdout)


def compare(case: Case, args: argparse.Namespace) -> str:
    """A line of the table."""
    with ExitStack() as stack:
        command = [sys.executable, str(SERVICE), "sum", "--protocol", case.protocol, "--concurrent"]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(process.terminate)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        ini = INI.format(port=port, protocol=case.protocol, connections=case.connections)
        server = stack.enter_context(running_server(ini))
        pairs = [
            (
                measured(port, case, "", args),
                measured(server.ports["PORT2"], case, "/Sum", args),
            )
            for _ in range(args.runs)
        ]
    direct, relayed = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(through / straight for straight, through in pairs)
    return f"{case.name:<14} {direct:>9,.0f} /s {relayed:>9,.0f} /s   {ratio:.2f}"


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=8, help="callers (default: 8)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (default: 2)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument(
        "--load", nargs=3, metavar=("PORT", "PROTOCOL", "RESOURCE"), help="be the clients of a run"
    )
    args = parser.parse_args()
    if args.load:
        port, protocol, resource = args.load
        load(int(port), protocol, resource, args.clients, args.seconds)
        return 0
    print(f"{args.clients} clients        direct    through ccserver  ratio")
    for case in CASES:
        print(compare(case, args), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
