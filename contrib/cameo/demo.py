#!/usr/bin/env python3
"""CAMEO clients reach a server's applications through one ccserver, on two ports.

    stand-in server 0:0, responder, publisher  ->  ccserver  <-  requester, subscriber
                    one machine                 three ports       another, which gets at two of them

Where it may (root, Linux), it makes two network namespaces and lets in two ports by rules of
routing; otherwise all of them use loopback, and nothing is filtered. It says which. ccserver runs a
copy of conf/cameo.ini. The exit status is 0 if everything has arrived.

    python contrib/cameo/demo.py            the publisher has to answer its subscriber in 100 ms
    python contrib/cameo/demo.py 30         or in 30 s, where a machine is busy with something else
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from ccproxy.testing import free_ports

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf" / "cameo.ini"
TIMEOUT = 60.0
SUBNET = "10.213.77"
"""The addresses of the two namespaces are .1 and .2 of it."""
FILTER = """\
link set lo up
rule add pref 1 iif lo lookup local
rule add pref 2 iif inside ipproto tcp dport {first} lookup local
rule add pref 2 iif inside ipproto tcp dport {second} lookup local
rule add pref 3 iif inside ipproto tcp prohibit
rule add pref 9 lookup local
rule del pref 0"""
"""What `ip` does in the namespace of the server. Rules look at what comes in before it is local."""


class Place:
    """Where programs run, and the address at which the clients find the server."""

    def __init__(self, server: list[str], client: list[str], host: str, about: str) -> None:
        self.server = server
        self.client = client
        self.host = host
        self.about = about


def ip(*words: str) -> None:
    """Run `ip`; CalledProcessError if it cannot do that."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def namespaces(stack: ExitStack, ports: list[int]) -> Place:
    """Two namespaces that are joined by a pair of interfaces; OSError or CalledProcessError."""
    names = [f"cameo{os.getpid()}{side}" for side in "ab"]
    for name in names:
        ip("netns", "add", name)
        stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
    ip(
        "link",
        "add",
        "inside",
        "netns",
        names[0],
        "type",
        "veth",
        "peer",
        "outside",
        "netns",
        names[1],
    )
    for name, device, number in ((names[0], "inside", 1), (names[1], "outside", 2)):
        ip("-n", name, "addr", "add", f"{SUBNET}.{number}/24", "dev", device)
        ip("-n", name, "link", "set", device, "up")
    rules = FILTER.format(first=ports[0], second=ports[1])
    for line in rules.splitlines():
        ip("-n", names[0], *line.split())
    ip("-n", names[1], "link", "set", "lo", "up")
    server, client = (["ip", "netns", "exec", name] for name in names)
    about = "two network namespaces; of the server's ports the clients get at the first two alone"
    return Place(server, client, f"{SUBNET}.1", about)


def place(stack: ExitStack, ports: list[int]) -> Place:
    """The best place that this machine allows."""
    if os.geteuid() == 0 and shutil.which("ip"):
        try:
            with ExitStack() as made:
                found = namespaces(made, ports)
                stack.push(made.pop_all())
                return found
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no namespaces here: {getattr(error, 'stderr', '') or error}".strip())
    return Place([], [], "127.0.0.1", "loopback alone: no packet is filtered")


def configured(folder: Path, ports: list[int], host: str) -> Path:
    """A copy of conf/cameo.ini with these ports and this address."""
    text = CONF.read_text("utf-8").replace("10000, 10001, 10002", ", ".join(map(str, ports[:3])))
    text = re.sub(r"(?m)^internal = .*\n", "", text)
    text = text.replace("host = 127.0.0.1", "host = 0.0.0.0\nopen = yes")
    file = folder / "cameo.ini"
    file.write_text(text, "utf-8")
    return file


class Programs:
    """Starts programs, and ends them with the stack."""

    def __init__(self, stack: ExitStack, place: Place, folder: Path) -> None:
        self.stack = stack
        self.place = place
        self.folder = folder

    def start(self, *command: str) -> None:
        """Start one at the server's side."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen([*self.place.server, *command], stdout=log, stderr=log)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)

    def client(self, *words: str) -> bool:
        """Run a client at the other side; True if it has done its work."""
        command = [*self.place.client, sys.executable, str(HERE / "clients.py"), *words]
        done = subprocess.run(command, timeout=TIMEOUT, capture_output=True, text=True)
        print(f"  {done.stdout.strip() or done.stderr.strip().splitlines()[-1]}")
        return done.returncode == 0

    def reaches(self, port: int) -> bool:
        """True if the clients' side can connect to a port of the server's."""
        text = f"import socket; socket.create_connection(('{self.place.host}', {port}), 3)"
        command = [*self.place.client, sys.executable, "-c", text]
        return subprocess.run(command, capture_output=True).returncode == 0


def run(programs: Programs, ports: list[int]) -> bool:
    """Start everything at the server's side, then the clients; True if all is well."""
    place, python = programs.place, sys.executable
    file = configured(programs.folder, ports, place.host)
    programs.start(python, "-m", "ccproxy", str(file))
    programs.start(python, str(HERE / "server.py"), str(ports[3]), *map(str, ports[:3]))
    base = f"tcp://127.0.0.1:{ports[3]}"
    for role, name, id in (("responder", "echo", "1"), ("publisher", "data", "2")):
        programs.start(python, str(HERE / "applications.py"), role, name, id, base, place.host)
    end = time.monotonic() + TIMEOUT
    while not programs.reaches(ports[0]) and time.monotonic() < end:
        time.sleep(0.1)
    endpoint = f"tcp://{place.host}:{ports[0]}"
    good = programs.client("requester", "echo", "1", endpoint)
    good &= programs.client("subscriber", "data", "2", endpoint, *sys.argv[1:])
    if place.server:
        blocked = not programs.reaches(ports[2])
        print(f"  the internal port is {'closed' if blocked else 'OPEN'} from outside")
        good &= blocked
    return good


def main() -> int:
    """Run the demo; the exit status."""
    ports = free_ports(4)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ccproxy-cameo-")))
        where = place(stack, ports)
        print(where.about)
        good = run(Programs(stack, where, folder), ports)
        if not good:
            print((folder / "log").read_text("utf-8"))
        print("everything arrived" if good else "something is missing")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
