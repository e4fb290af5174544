#!/usr/bin/env python3
"""How many session requests a Manager answers: 1,000 instances, 10,000 sessions, simulated agents.

    python contrib/bench/mesh.py                      about a minute
    python contrib/bench/mesh.py --rate 3000 --sync normal

The Manager is a real `ccserver` on one processor; the agents run on another one and speak plain
text over real sockets. Each request is one whole session: request, response, ack, and later the
close infos of both ends. The Manager writes the changes of a request to its state file before it
sends the response.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory

from ccproxy.client import Client
from ccproxy.testing import free_ports

GRAPH = """
[app]
name = bench
[service front]
plugs = back_client -> back.api
replicas = 0-{half}
[service back]
sockets = api
replicas = 0-{half}
"""

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:{cc}
cc-role = remote
flows = 1000
stats-period = 1 h
[listen:mesh]
protocol = ssmmp
address = tcp://127.0.0.1:{mesh}
[routes]
ssmmp = h:manager
mesh = h:manager
[h:manager]
handler = ssmmp-manager
graph = {directory}/bench.graph
state = {directory}/state.db
state-sync = {sync}
tombstone = {tombstone}
"""

ENDS = (
    "source_plug_name: back_client\nsource_plug_port: {port}\ndest_service_name: back\n"
    "dest_service_instance_network_address: {to}\n{dest}dest_socket_name: api\n"
    "dest_socket_port: {to_port}\ndest_socket_new_port: {to_port}\n\n"
)
SOURCE = (
    "type: source_service_session_close_info\nmessage_id: {id}\nsub_type: agent_to_Manager\n"
    "source_service_name: front\nsource_service_instance_network_address: {own}\n"
    "source_service_instance_id: {source}\n" + ENDS
)
DEST = (
    "type: dest_service_session_close_info\nmessage_id: {id}\nsub_type: agent_to_Manager\n"
    "source_service_instance_network_address: {own}\n" + ENDS
)


CLOSED = "message_id: {message_id}\nsub_type: agent_to_Manager\nstatus: 200\n\n"
ANSWERS = {
    f"{of}_request": f"type: {of}_response\n{CLOSED}"
    for of in (
        "source_service_session_close",
        "dest_service_session_close",
        "graceful_shutdown",
        "hard_shutdown",
    )
}
"""What an agent answers to these at once."""


class Agent(asyncio.Protocol):
    """One simulated agent, which accepts every request."""

    def __init__(self, bench: Bench, address: str) -> None:
        self.bench = bench
        self.address = address
        self.rest = b""
        self.asked: dict[int, tuple[float, int]] = {}
        self.welcomed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        running = "; ".join(f"({name}, {key})" for key, name in self.bench.ran(self.address))
        known = f"x_ssmmp: 1\nx_running: ({running})\n" if running else ""
        self.write(
            f"type: initiation_request\nmessage_id: 1\nagent_network_address: {self.address}\n"
            f"service_repository: (front; back)\n{known}\n"
        )

    def write(self, text: str) -> None:
        self.transport.write(text.encode())

    def data_received(self, data: bytes) -> None:
        *units, self.rest = (self.rest + data).split(b"\n\n")
        now = time.perf_counter()
        for unit in units:
            lines = dict(one.split(": ", 1) for one in unit.decode().split("\n"))
            self.take(lines["type"], lines, now)

    def take(self, type: str, lines: dict[str, str], now: float) -> None:
        if type == "session_response":
            self.answered(lines, now)
        elif type == "execution_request":
            key, name = int(lines["service_instance_id"]), lines["service_name"]
            self.bench.started(self, key, name, lines["socket_configuration"])
            self.write(
                f"type: execution_response\nmessage_id: {lines['message_id']}\nstatus: 200\n\n"
            )
        elif type == "initiation_response":
            self.welcomed.set_result(lines["status"])
        elif type == "agent_health_control_request":
            self.write(
                f"type: agent_health_control_response\nmessage_id: {lines['message_id']}\n"
                f"sub_type: agent_to_Manager\nagent_network_address: {self.address}\n"
                "status: 200\n\n"
            )
        elif type in ANSWERS:
            self.write(ANSWERS[type].format(**lines))
        else:
            raise SystemExit(f"the agent did not expect {type}: {lines}")

    def ask(self, source: int, began: float) -> None:
        id = next(self.bench.ids)
        self.asked[id] = began, source
        self.write(
            f"type: session_request\nmessage_id: {id}\nsub_type: agent_to_Manager\n"
            f"agent_network_address: {self.address}\nsource_service_name: front\n"
            f"source_service_instance_id: {source}\nsource_plug_name: back_client\n"
            "dest_service_name: back\ndest_socket_name: api\n\n"
        )

    def answered(self, lines: dict[str, str], now: float) -> None:
        id = int(lines["message_id"])
        began, source = self.asked.pop(id)
        if lines["status"] != "200":
            raise SystemExit(f"a session was refused: {lines}")
        port = next(self.bench.ports)
        to, to_port = lines["dest_service_instance_network_address"], lines["dest_socket_port"]
        self.write(
            f"type: session_ack\nmessage_id: {id}\nsub_type: agent_to_Manager\nstatus: 200\n"
            f"source_plug_port: {port}\ndest_socket_new_port: {to_port}\n\n"
        )
        self.bench.opened((self, source, port, to, to_port), now - began)


Session = tuple[Agent, int, int, str, str]


class Bench:
    """The agents, the instances they run, and the measured figures."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.agents: dict[str, Agent] = {}
        self.running: dict[int, tuple[str, str]] = {}
        self.fronts: list[tuple[str, int]] = []
        self.listening: dict[tuple[str, str], int] = {}
        self.sessions: deque[Session] = deque()
        self.times: list[float] = []
        self.ids = itertools.count(1_000_001)
        self.ports = itertools.cycle(range(1024, 53_000))
        self.news = asyncio.Event()

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(self.args.agents):
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            _, agent = await loop.create_connection(
                lambda address=address: Agent(self, address), "127.0.0.1", port
            )
            self.agents[address] = agent
        await asyncio.gather(*(one.welcomed for one in self.agents.values()))

    def ran(self, address: str) -> list[tuple[int, str]]:
        return [(key, name) for key, (where, name) in self.running.items() if where == address]

    def started(self, agent: Agent, key: int, name: str, sockets: str) -> None:
        self.running[key] = agent.address, name
        if name == "front":
            self.fronts.append((agent.address, key))
        else:
            self.listening[agent.address, sockets.rpartition(", ")[2].rstrip(")")] = key
        self.news.set()

    def opened(self, session: Session, took: float) -> None:
        self.sessions.append(session)
        self.times.append(took)
        self.news.set()

    def ask(self, began: float) -> None:
        address, source = random.choice(self.fronts)
        self.agents[address].ask(source, began)

    def close_oldest(self) -> None:
        agent, source, port, to, to_port = self.sessions.popleft()
        about = {"own": agent.address, "source": source, "port": port, "to": to,
                 "to_port": to_port}  # fmt: skip
        agent.write(SOURCE.format(id=next(self.ids), dest="", **about))
        dest = f"dest_service_instance_id: {self.listening[to, to_port]}\n"
        self.agents[to].write(DEST.format(id=next(self.ids), dest=dest, **about))

    async def wait(self, condition) -> None:
        while not condition():
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 30)

    async def fill(self, count: int, window: int, close: bool = False) -> float:
        """Open `count` sessions as fast as possible; return the requests per second.

        At most `window` requests wait for their answers; `close` closes an old session for each.
        """
        self.times = []
        began, asked = time.perf_counter(), 0
        while len(self.times) < count:
            while asked < count and asked - len(self.times) < window:
                if close:
                    self.close_oldest()
                self.ask(time.perf_counter())
                asked += 1
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 30)
        return count / (time.perf_counter() - began)

    async def pace(self, rate: int, seconds: float) -> None:
        """Open and close `rate` sessions a second, even if the Manager falls behind."""
        self.times = []
        began, count = time.perf_counter(), int(rate * seconds)
        for number in range(count):
            due = began + number / rate
            if due > time.perf_counter():
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self.sessions:
                self.close_oldest()
            # The time is measured from when the request was due. Otherwise a Manager that stalls
            # would delay the requests and so hide its own latency.
            self.ask(due)
        await self.wait(lambda: len(self.times) >= count)


class Manager:
    """The process that is measured."""

    def __init__(self, directory: str, args: argparse.Namespace, options: str = "") -> None:
        self.directory = Path(directory)
        self.cc, self.mesh = free_ports(2)
        half = args.instances // 2
        (self.directory / "bench.graph").write_text(GRAPH.format(half=half))
        ini = INI.format(
            cc=self.cc, mesh=self.mesh, directory=directory, sync=args.sync,
            tombstone=args.tombstone,
        )  # fmt: skip
        (self.directory / "bench.ini").write_text(ini + options)
        self.log = (self.directory / "log").open("a")
        self.start()

    def command(self) -> list[str]:
        """How the server is started."""
        return [sys.executable, "-m", "ccproxy", str(self.directory / "bench.ini")]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self.process.pid, {cores[0]})
        while "ready data-path" not in (self.directory / "log").read_text().rpartition("@@")[2]:
            if self.process.poll() is not None:
                raise SystemExit((self.directory / "log").read_text())
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.write("@@\n")
        self.log.flush()

    @property
    def memory(self) -> float:
        text = Path(f"/proc/{self.process.pid}/statm").read_text("ascii")
        return int(text.split()[1]) * 4096 / 1e6

    @property
    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def sizes(self) -> str:
        names = ("state.db", "state.db-wal")
        found = [(self.directory / one).stat().st_size / 1e6 for one in names]
        return f"state file {found[0]:.1f} MB, its log {found[1]:.1f} MB"


SHOWN = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def shown(times: list[float]) -> str:
    """Latencies in milliseconds."""
    ordered = sorted(times)
    at = {name: min(len(ordered) - 1, int(len(ordered) * part)) for name, part in SHOWN.items()}
    return ", ".join(f"{name} {1000 * ordered[place]:.1f} ms" for name, place in at.items())


def scale(port: int, service: str, count: int) -> None:
    """Scale a service, as `ccserver mesh` does."""
    with Client(f"tcp://127.0.0.1:{port}") as client:
        value = {"command": "scale", "service": service, "count": count}
        answer = client.request("mesh.execute", value).value
    if not answer.get("operation"):
        raise SystemExit(f"not scaled: {answer}")


async def measure(args: argparse.Namespace, manager: Manager) -> None:
    bench = Bench(args)
    empty = manager.memory
    began = time.perf_counter()
    await bench.connect(manager.mesh)
    # Only after all agents are connected, so that the instances spread over all of them.
    for service in ("front", "back"):
        await asyncio.to_thread(scale, manager.cc, service, args.instances // 2)
    await bench.wait(lambda: len(bench.running) >= args.instances)
    print(f"start      {args.instances} instances on {args.agents} agents in "
          f"{time.perf_counter() - began:.2f} s")  # fmt: skip
    rate = await bench.fill(args.sessions, args.window)
    print(
        f"fill       {args.sessions} sessions opened, {rate:.0f} requests/s; {shown(bench.times)}"
    )
    print(f"           memory {empty:.0f} MB empty, {manager.memory:.0f} MB now; {manager.sizes()}")
    before, began = manager.cpu, time.perf_counter()
    count = int(args.seconds * 2000)
    rate = await bench.fill(count, args.window, close=True)
    busy = (manager.cpu - before) / (time.perf_counter() - began)
    print(f"churn      {rate:.0f} sessions/s opened and closed at full speed, "
          f"{100 * busy:.0f} % of one processor; {shown(bench.times)}")  # fmt: skip
    before, began = manager.cpu, time.perf_counter()
    await bench.pace(args.rate, args.seconds)
    busy = (manager.cpu - before) / (time.perf_counter() - began)
    print(f"paced      {args.rate} sessions/s opened and closed, {100 * busy:.0f} % of one "
          f"processor; {shown(bench.times)}")  # fmt: skip
    print(f"           memory {manager.memory:.0f} MB; {manager.sizes()}")
    manager.kill()
    began = time.perf_counter()
    manager.start()
    await bench.connect(manager.mesh)
    print(
        f"kill -9    ready again and all agents registered in {time.perf_counter() - began:.2f} s"
    )
    bench.times = []
    await bench.fill(1000, args.window)
    print(f"           1000 more sessions; {shown(bench.times)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=1000, help="default: 1000")
    parser.add_argument("--agents", type=int, default=20, help="default: 20")
    parser.add_argument("--sessions", type=int, default=10_000, help="open ones; default: 10000")
    parser.add_argument("--rate", type=int, default=2000, help="requests a second; default: 2000")
    parser.add_argument("--window", type=int, default=64, help="requests under way; default: 64")
    parser.add_argument("--seconds", type=float, default=10.0, help="of churn; default: 10")
    parser.add_argument("--tombstone", default="60 s", help="how long what ended is remembered")
    parser.add_argument("--sync", choices=("full", "normal"), default="full", help="default: full")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="mesh-") as directory:
        manager = Manager(directory, args)
        os.sched_setaffinity(0, {cores[-1]})
        # The agents must not pause for garbage collection: that is not to be measured.
        gc.disable()
        try:
            asyncio.run(measure(args, manager))
        finally:
            manager.process.kill()
            manager.process.wait()
            log = (Path(directory) / "log").read_text().splitlines()
            print(*[one for one in log if "slow" in one or "ERROR" in one][:10], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
