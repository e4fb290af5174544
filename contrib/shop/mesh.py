"""A whole mesh on the loopback interface: a Manager and agents from the files of conf/, operated.

Everything runs in a directory of its own, on addresses of its own (127.X.Y.1 and so on), as real
processes. The last agent is connected by CC, the others by plain text. `Mesh.stop` ends every
process that was started.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ccproxy.client import Client

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
HTTP = 8080
READY = "ready data-path"
STEP_TIMEOUT = 30.0
"""Seconds that a step may take if its caller says no other limit."""

Row = dict[str, Any]
FAST = {
    "backoff-first": "300 ms", "tombstone": "3 s", "health-interval": "1 s",
    "start-timeout": "15 s",
}  # fmt: skip
"""Short timers of the Manager, so that a demo or a test does not wait for long. Those of agents are
not: an agent that is started again on a busy machine must not be lost by then."""


def until(look: Callable[[], Any], what: str, seconds: float = STEP_TIMEOUT) -> Any:
    """The first true answer; TimeoutError if there is none."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return found


class Server:
    """One ccserver process; its output goes to a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.log = file.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes messages."""
        before = self.said(READY)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ccproxy", str(self.file)], cwd=self.file.parent,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(lambda: self.said(READY) > before or self._ended(), f"{self.file.name} is ready")

    def said(self, text: str) -> int:
        """How many lines of its log hold a text."""
        if not self.log.exists():
            return 0
        return sum(text in line for line in self.log.read_text("utf-8", "replace").split("\n"))

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it, and wait for that."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _ended(self) -> bool:
        if self.process is not None and self.process.poll() is None:
            return False
        raise RuntimeError(f"{self.file.name} ended:\n{self.log.read_text('utf-8', 'replace')}")


class Mesh:
    """`web` says which agents have the gateway in their repository, by number."""

    def __init__(
        self, directory: Path, nodes: int = 2, web: tuple[int, ...] = (0,),
        timers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.directory = directory
        self._web = web
        pid = os.getpid()
        self.nodes = [
            f"127.{pid >> 7 & 127 | 64}.{pid & 127 | 64}.{one + 1}" for one in range(nodes)
        ]
        ports = _free(2 + 2 * nodes)
        self._cc, self._text = ports[0], ports[1]
        (directory / "shop.graph.ini").write_text((CONF / "shop.graph.ini").read_text("utf-8"))
        self.manager = Server(self._manager(FAST if timers is None else timers))
        self.agents = [
            Server(self._agent(one, ports[2 + 2 * one : 4 + 2 * one], one in web))
            for one in range(nodes)
        ]
        self._client: Client | None = None

    def start(self) -> None:
        """The Manager first, then the agents."""
        for one in (self.manager, *self.agents):
            one.start()

    @property
    def fronts(self) -> list[tuple[str, int]]:
        """Where users find the gateway."""
        return [(self.nodes[one], HTTP) for one in self._web]

    def ask(self, verb: str, **fields: Any) -> Row:
        """Ask the Manager as `ccserver mesh` does; RuntimeError with what it refuses."""
        with Client(f"tcp://127.0.0.1:{self._cc}") as client:
            value: Row = client.request(f"mesh.{verb}", fields, timeout=STEP_TIMEOUT).value
        if value.get("error"):
            raise RuntimeError(f"{verb} {fields}: {value['error']}")
        return value

    def rows(self, what: str) -> list[Row]:
        """A whole table: agents, instances, sessions, operations."""
        found: list[Row] = []
        after = None
        while True:
            page = self.ask("list", what=what, **({} if after is None else {"after": after}))
            found += page["rows"]
            after = page.get("next")
            if after is None:
                return found

    def running(self, service: str = "") -> list[Row]:
        """The instances that run, of one service or of all."""
        return [
            one for one in self.rows("instances")
            if one["state"] == "RUNNING" and service in ("", one["service"])
        ]  # fmt: skip

    def execute(self, command: str, wait: float = 60.0, **fields: Any) -> Row:
        """Carry out a command of an operator, and wait for its end; the operation."""
        number = self.ask("execute", command=command, **fields)["operation"]
        if not number:
            raise RuntimeError(f"refused: {command} {fields}")

        def ended() -> Row | None:
            found = [one for one in self.rows("operations") if one["operation"] == number]
            return found[0] if found and found[0]["state"] not in ("running", "stopping") else None

        row: Row = until(ended, f"{command} {fields} is done", wait)
        return row

    def pids(self, service: str = "") -> dict[int, int]:
        """The processes of instances in this mesh, by instance, as the system has them."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                env = dict(
                    one.split("=", 1)
                    for one in (folder / "environ").read_text("utf-8", "replace").split("\0")
                    if "=" in one
                )
                mine = env.get("SSMMP_ADDRESS") in self.nodes
                if mine and service in ("", env["SSMMP_SERVICE_NAME"]):
                    found[int(env["SSMMP_INSTANCE_ID"])] = int(folder.name)
        return found

    def end(self) -> None:
        """End the application in order."""
        self.execute("down")
        until(lambda: not self.pids(), "all instances have ended")

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        for one in (*self.agents, self.manager):
            one.stop()
        for pid in self.pids().values():
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)

    def _manager(self, timers: dict[str, str]) -> Path:
        text = (CONF / "manager.ini").read_text("utf-8")
        text = text.replace("22670", str(self._cc)).replace("22671", str(self._text))
        text = re.sub(rf"(?m)^({'|'.join(timers) or '-'}) = .*$", "", text)
        text += "".join(f"{name} = {value}\n" for name, value in timers.items())
        return self._write("manager", text)

    def _agent(self, number: int, ports: list[int], web: bool) -> Path:
        folder = self.directory / f"node{number}"
        folder.mkdir()
        repository = (CONF / "shop.repo.ini").read_text("utf-8")
        repository = repository.replace("= python3 contrib", f"= {sys.executable} {ROOT}/contrib")
        repository = repository.replace("=/tmp/", f"={self.directory}/")
        if not web:
            repository = re.sub(r"(?s)\[program web[@2]*\].*?\n\n", "", repository)
        (folder / "shop.repo.ini").write_text(repository)
        text = (CONF / "agent.ini").read_text("utf-8")
        text = text.replace("22672", str(ports[0])).replace("22673", str(ports[1]))
        text = text.replace("22671", str(self._text)).replace("%(config_dir)s", str(folder))
        if number == len(self.nodes) - 1:
            text = text.replace(f"ssmmp://127.0.0.1:{self._text}", f"tcp://127.0.0.1:{self._cc}")
        text = text.replace("address = 127.0.0.1\n", f"address = {self.nodes[number]}\n")
        text += f"output = {self.directory}/output\nreconnect-first = 200 ms\n"
        return self._write(f"agent{number}", text + "reconnect-most = 1 s\n")

    def _write(self, name: str, text: str) -> Path:
        file = self.directory / f"{name}.ini"
        file.write_text(text.replace("~/state/", f"{self.directory}/"))
        return file


def _free(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
