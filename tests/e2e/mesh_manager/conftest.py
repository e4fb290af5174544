"""Agents written by hand, as with `nc`: plain text over TCP in each framing; and their Manager."""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ccproxy.client import Client

SECONDS = 60.0
"""No single wait is longer."""

GRAPH = """
[app]
ports = 41000-41999
[service web]
kind = gateway
plugs = orders_client -> orders.orders_api
[service orders]
sockets = orders_api
replicas = 0-2
"""

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
linger = 100 ms
[listen:mesh]
protocol = ssmmp
address = tcp://127.0.0.1:PORT2
max-peers = 200
[routes]
ssmmp = h:manager
mesh = h:manager
[h:manager]
handler = ssmmp-manager
graph = %(config_dir)s/shop.graph
state = %(config_dir)s/state.db
agent-lost = 60 s
"""

JOIN = {"lines": "\n", "tilde": " ~ ", "semicolon": ";"}
END = {"lines": "\n\n", "tilde": "\n", "semicolon": "\n"}
LISTS = {"lines": "(web; orders)", "tilde": "web, orders", "semicolon": "web,orders"}


class HandAgent:
    """A socket, and texts."""

    def __init__(self, port: int, framing: str = "lines", address: str = "10.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.framing = framing
        self.address = address
        self.ids = itertools.count(1_000_001)
        self.rest = b""
        self.running: dict[int, str] = {}

    def send(self, type: str, id: int, **lines: object) -> None:
        pairs = [("type", type), ("message_id", id), *lines.items()]
        colon = ":" if self.framing == "semicolon" else ": "
        text = JOIN[self.framing].join(f"{name}{colon}{value}" for name, value in pairs)
        self.raw((text + END[self.framing]).encode())

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> dict[str, str]:
        """The next message that is no probe; no lines if the connection has ended."""
        while (found := self._receive()).get("type") == "agent_health_control_request":
            self.send(
                "agent_health_control_response", int(found["message_id"]),
                sub_type="agent_to_Manager", agent_network_address=self.address, status=200,
            )  # fmt: skip
        return found

    def _receive(self) -> dict[str, str]:
        end = END[self.framing].encode()
        while end not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                return {}
            self.rest += data
        unit, _, self.rest = self.rest.partition(end)
        parts = unit.decode().split(JOIN[self.framing])
        pairs = [one.partition(":") for one in parts]
        return {name.strip(): text.strip() for name, _, text in pairs}

    def expect(self, type: str) -> dict[str, str]:
        found = self.receive()
        assert found.get("type") == type, found
        return found

    @property
    def quiet(self) -> bool:
        """True if nothing but probes has come."""
        while self.rest or select.select([self.socket], [], [], 0.3)[0]:
            assert self._receive().get("type") == "agent_health_control_request"
        return True

    def register(self, *extra: str, **lines: object) -> str:
        """The status of the registration."""
        self.send(
            "initiation_request", 10, agent_network_address=self.address,
            service_repository=LISTS[self.framing], **lines,
        )  # fmt: skip
        return self.expect("initiation_response")["status"]

    def start(self) -> dict[str, str]:
        """Do what the next execution_request asks for."""
        asked = self.expect("execution_request")
        self.send("execution_response", int(asked["message_id"]), status=200)
        self.running[int(asked["service_instance_id"])] = asked["service_name"]
        return asked

    def ask(self, source: int, **other: object) -> int:
        id = next(self.ids)
        lines: dict[str, object] = {
            "sub_type": "agent_to_Manager", "agent_network_address": self.address,
            "source_service_name": "web", "source_service_instance_id": source,
            "source_plug_name": "orders_client", "dest_service_name": "orders",
            "dest_socket_name": "orders_api",
        }  # fmt: skip
        self.send("session_request", id, **{**lines, **other})
        return id

    def ack(self, id: int, port: int, to_port: object, status: int = 200) -> None:
        self.send(
            "session_ack", id, sub_type="agent_to_Manager", status=status, source_plug_port=port,
            dest_socket_new_port=to_port,
        )  # fmt: skip

    def open(self, source: int, port: int) -> int:
        """A session to orders, from its request to its ack; the port it goes to."""
        id = self.ask(source)
        answer = self.expect("session_response")
        assert (answer["message_id"], answer["status"]) == (str(id), "200")
        self.ack(id, port, answer["dest_socket_port"])
        return int(answer["dest_socket_port"])

    def closed(self, source: int, dest: int, port: int, to_port: int) -> None:
        """Both ends report the end of a session."""
        ends: dict[str, object] = {
            "source_plug_name": "orders_client", "source_plug_port": port,
            "dest_service_name": "orders", "dest_service_instance_network_address": self.address,
            "dest_socket_name": "orders_api", "dest_socket_port": to_port,
            "dest_socket_new_port": to_port,
        }  # fmt: skip
        own = {"source_service_instance_network_address": self.address}
        sub = {"sub_type": "agent_to_Manager"}
        source_ = {"source_service_name": "web", "source_service_instance_id": source}
        type = "_service_session_close_info"
        self.send(f"source{type}", next(self.ids), **sub, **source_, **own, **ends)
        self.send(
            f"dest{type}", next(self.ids), **sub, **own, dest_service_instance_id=dest, **ends
        )

    def close(self) -> None:
        self.socket.close()


class Mesh:
    """A Manager's process, what operators see of it, and agents."""

    def __init__(self, start: Callable[..., Any], ports: dict[str, int], directory: Path) -> None:
        self._start = start
        self.ports = ports
        self.directory = directory
        self.agents: list[HandAgent] = []
        self.server: Any = None
        self.ini = INI

    def start(self, graph: str = GRAPH) -> Mesh:
        self.directory.mkdir(exist_ok=True)
        (self.directory / "shop.graph").write_text(graph)
        self.server = self._start(self.ini, self.directory.name)
        return self

    def kill(self) -> None:
        """As `kill -9`."""
        self.server.kill()

    def agent(self, framing: str = "lines", address: str = "10.0.0.1") -> HandAgent:
        self.agents.append(HandAgent(self.ports["PORT2"], framing, address))
        return self.agents[-1]

    def request(self, verb: str, **value: Any) -> dict[str, Any]:
        with Client(f"tcp://127.0.0.1:{self.ports['PORT1']}") as client:
            return client.request(f"mesh.{verb}", value).value

    def rows(self, what: str, **value: Any) -> list[dict[str, Any]]:
        """A whole table."""
        found: list[dict[str, Any]] = []
        after = None
        while True:
            answer = self.request("list", what=what, after=after, **value)
            found += answer["rows"]
            after = answer["next"]
            if after is None:
                return found

    def states(self, what: str) -> dict[int, str]:
        """State by number."""
        return {one[what]: one["state"] for one in self.rows(f"{what}s")}

    def command(self, *words: str) -> tuple[int, str]:
        """`ccserver mesh`: exit status and output."""
        address = f"tcp://127.0.0.1:{self.ports['PORT1']}"
        done = self.server.forks.run("mesh", address, *words)
        return done.returncode, done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self.command(*words, "--json")[1])

    def count(self, name: str) -> int:
        """A counter of the Manager, from the last statistics line; only after its end."""
        found = [re.search(rf"\b{re.escape(name)}: (\d+)", one) for one in self.server.lines]
        return sum(int(one[1]) for one in found if one)


@pytest.fixture
def mesh(start: Callable[..., Any], ports: dict[str, int], tmp_path: Path) -> Iterator[Mesh]:
    """A Manager that is not started yet."""
    made = Mesh(start, ports, tmp_path / "mesh")
    yield made
    for agent in made.agents:
        agent.close()


def soon(condition: Callable[[], Any], what: str = "", seconds: float = SECONDS) -> Any:
    """Look again and again; the first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what or condition}")


@pytest.fixture(name="soon")
def look_soon() -> Callable[..., Any]:
    return soon
