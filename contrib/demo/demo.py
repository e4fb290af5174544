#!/usr/bin/env python3
"""A source and two destination servers at work: what the files in conf/ do, on free ports.

    producers -> source -> site lux -> master-log, master-info, master-task
                       \\-> site dub -> master-log, master-info, master-task

Three real `ccserver` processes run copies of conf/src.ini and conf/dst.ini; producers and masters
are pyzmq programs that know nothing of ccproxy. Every message must arrive once at both sites, and
every answer must come back; otherwise the exit status is 1.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType

import zmq

CONF = Path(__file__).resolve().parents[2] / "conf"
SITES = ("lux", "dub")
MASTERS = ("master-log", "master-info", "master-task")
ROUTES = {"log.info": "master-log", "pub.infofile.web": "master-info", "task.send": "master-task"}
MESSAGES = 100
"""The number of messages of each type."""
TIMEOUT = 20.0
"""Seconds that each step may take."""


class Masters:
    """Six ROUTER sockets, three for each site: they count messages and answer pings and tasks."""

    def __init__(self) -> None:
        self.arrived: Counter[tuple[str, str, int]] = Counter()
        self.ports: dict[tuple[str, str], int] = {}
        self._names: dict[zmq.Socket[bytes], tuple[str, str]] = {}
        self._poller = zmq.Poller()
        self._changed = threading.Condition()
        self._end = threading.Event()
        for name in [(site, master) for site in SITES for master in MASTERS]:
            router = zmq.Context.instance().socket(zmq.ROUTER)
            self.ports[name] = router.bind_to_random_port("tcp://127.0.0.1")
            self._names[router] = name
            self._poller.register(router, zmq.POLLIN)
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Masters:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        """Wait until `count` messages have arrived, at most TIMEOUT."""
        with self._changed:
            self._changed.wait_for(lambda: self.arrived.total() >= count, TIMEOUT)

    def _work(self) -> None:
        while not self._end.is_set():
            for router, _ in self._poller.poll(100):
                self._take(router, router.recv_multipart())
        for router in self._names:
            router.close(linger=0)

    def _take(self, router: zmq.Socket[bytes], frames: list[bytes]) -> None:
        cut = frames.index(b"")
        route, kind = frames[: cut + 1], frames[cut + 1].decode()
        fields = json.loads(frames[cut + 2])
        site, master = self._names[router]
        if kind == "echo.request":
            answer = {f"orig_{key}": fields[key] for key in ("hostname", "target", "time")}
            router.send_multipart([*route, *message("echo.response", answer)])
            return
        if kind.startswith("task.send"):
            answer = {"task_id": fields["task_id"], "status": "finished", "site": site}
            router.send_multipart([*route, *message("task.reply", answer)])
        if kind == "pub.infofile.web" and frames[-1] != blob(fields["number"]):
            return
        with self._changed:
            self.arrived[site, kind, fields["number"]] += ROUTES.get(kind) == master
            self._changed.notify()


class Server:
    """One `ccserver` process."""

    def __init__(self, name: str, text: str, home: Path) -> None:
        self.name = name
        self.lines: list[str] = []
        file = home / f"{name}.ini"
        file.write_text(text)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ccproxy", str(file)],
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_ready(self) -> None:
        """Wait until the server listens; RuntimeError with its log if it does not."""
        self._ready.wait(TIMEOUT)
        if not any(" ready " in line for line in self.lines):
            raise RuntimeError(f"{self.name} does not start:\n" + "\n".join(self.lines))

    def stop(self) -> bool:
        """Stop the server; True if it ended with exit status 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._thread.join()
        return status == 0

    def ledger(self) -> str:
        """The counts of all messages, from the last line of its log."""
        found = [line.partition("ledger ")[2] for line in self.lines if "ledger " in line]
        return found[-1] if found else "no ledger; its log:\n" + "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.lines.append(line.rstrip())
                if " ready " in line:
                    self._ready.set()
        self._ready.set()


def message(kind: str, fields: dict[str, object], *more: bytes) -> list[bytes]:
    """The frames of a message behind its empty frame, with the fields that every message has."""
    common = {"req": kind, "time": time.time(), "hostname": socket.gethostname(), "blob_hash": ""}
    return [kind.encode(), json.dumps({**common, **fields}).encode(), b"", *more]


def blob(number: int) -> bytes:
    """The bytes of an infofile."""
    return bytes([number % 256]) * 1000


def configurations(masters: Masters) -> dict[str, str]:
    """The files of conf/, with free ports in the place of theirs: name -> text."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(1 + len(SITES))]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        source, *sites = [probe.getsockname()[1] for probe in probes]
    ports = {"22632": source, "22633": sites[0], "22634": sites[1]}
    texts = {"src": replaced((CONF / "src.ini").read_text(), ports)}
    for site, port in zip(SITES, sites, strict=True):
        ports = {"22633": port} | {
            old: masters.ports[site, master]
            for old, master in zip(("22641", "22642", "22643"), MASTERS, strict=True)
        }
        texts[f"dst-{site}"] = replaced((CONF / "dst.ini").read_text(), ports)
    return texts


def replaced(text: str, ports: dict[str, int]) -> str:
    """A configuration with other ports."""
    return re.sub(r"\b226\d\d\b", lambda found: str(ports.get(found[0], found[0])), text)


def produce(address: str) -> tuple[Counter[str], Counter[str]]:
    """Send all messages; return how many of each type were sent, and the answers received."""
    sent: Counter[str] = Counter()
    with closing(zmq.Context.instance().socket(zmq.DEALER)) as dealer:
        dealer.linger = int(1000 * TIMEOUT)
        dealer.connect(address)
        for number in range(MESSAGES):
            fields = {"number": number, "task_id": str(number), "log_msg": f"line {number}"}
            for kind in ROUTES:
                more = [blob(number)] if kind == "pub.infofile.web" else []
                dealer.send_multipart([b"", *message(kind, fields, *more)])
                sent[kind] += 1
        dealer.send_multipart([b"Q000001", b"", *message("echo.request", {"target": address})])
        return sent, answers(dealer, len(SITES) * MESSAGES + 1)


def answers(dealer: zmq.Socket[bytes], count: int) -> Counter[str]:
    """Wait for `count` answers; return how many came, by type and site."""
    came: Counter[str] = Counter()
    end = time.monotonic() + TIMEOUT
    while came.total() < count and dealer.poll(max(0, int(1000 * (end - time.monotonic())))):
        frames = dealer.recv_multipart()
        cut = frames.index(b"")
        fields = json.loads(frames[cut + 2])
        kind = frames[cut + 1].decode()
        if kind == "echo.response" and frames[:cut] != [b"Q000001"]:
            continue
        came[f"{kind} {fields.get('site', '')}".strip()] += 1
    return came


def report(masters: Masters, sent: Counter[str], came: Counter[str]) -> bool:
    """Print which messages arrived where; True if none is missing or arrived twice."""
    complete = True
    for kind, count in sent.items():
        seen = {}
        for site in SITES:
            once = [masters.arrived[site, kind, number] == 1 for number in range(MESSAGES)]
            seen[site] = sum(once)
            complete &= all(once)
        arrived = "  ".join(f"{site} {number}" for site, number in seen.items())
        print(f"  {kind:<17} sent {count}  arrived at {arrived}  ({ROUTES[kind]})")
    for site in SITES:
        number = came[f"task.reply {site}"]
        complete &= number == MESSAGES
        print(f"  {'task.reply':<17} back from {site} {number}")
    print(f"  {'echo.response':<17} back from the source {came['echo.response']}")
    return complete and came["echo.response"] == 1


def run(home: Path) -> bool:
    """Run the demonstration; True if everything arrived and every server ended cleanly."""
    for folder in ("pid", "log"):
        (home / folder).mkdir()
    with ExitStack() as stack:
        masters = stack.enter_context(Masters())
        servers = []
        for name, text in configurations(masters).items():
            servers.append(Server(name, text, home))
            stack.callback(servers[-1].stop)
        for server in servers:
            server.wait_ready()
        address = re.findall(r"(?m)^cc-socket = (\S+)", (home / "src.ini").read_text())[0]
        print(f"source {address}, sites {', '.join(SITES)}, three masters each")
        sent, came = produce(address)
        masters.wait_for(len(SITES) * sent.total())
        complete = report(masters, sent, came)
        clean = [server.stop() for server in servers]
    print("ledgers:")
    for server in servers:
        print(f"  {server.name:<8} {server.ledger()}")
    print(
        "everything arrived, all servers stopped cleanly" if complete and all(clean) else "FAILED"
    )
    return complete and all(clean)


def main() -> int:
    """Run in a directory that is removed afterwards; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="ccproxy-demo-") as home:
        return 0 if run(Path(home)) else 1


if __name__ == "__main__":
    sys.exit(main())
