"""A real server process for end-to-end tests; import it from `ccproxy.testing`.

It must never wait longer than it is told, and it ends the process whatever the test did.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

PORTS = range(11_000, 20_000)
"""Where `free_ports` looks; Linux gives clients those from 32,768 on."""
READY = "ready"
"""A log line with this word says that the server accepts messages."""
TIMEOUT = 60.0
"""Seconds that a busy machine may take for what usually takes one, as a start of a server does."""


class RunningServer:
    """A `ccserver` process, its directory, its ports, and the lines it has logged so far."""

    def __init__(self, directory: Path, ports: dict[str, int], words: Sequence[str] = ()) -> None:
        """`words` come before the file on the command line."""
        self.directory = directory
        self.ports = ports
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        command = [sys.executable, "-m", "ccproxy", *words, str(directory / "server.ini")]
        self.process = self.launch(command, directory)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def launch(command: Sequence[str], directory: Path) -> subprocess.Popen[str]:
        """Start the process in its directory; what it writes comes from its `stdout`."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            text=True,
            errors="replace",
        )

    def address(self, port: str = "PORT1") -> str:
        """The address of the port that replaced this word in the INI."""
        return f"tcp://127.0.0.1:{self.ports[port]}"

    def wait_for(self, text: str, timeout: float = TIMEOUT) -> str:
        """The first line of the log with `text`; TimeoutError, or RuntimeError if it has ended."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._find(text), timeout)
            if found := self._find(text):
                return found
        if self._ended:
            raise RuntimeError(f"the server ended without {text!r}")
        raise TimeoutError(f"the server did not log {text!r} in {timeout:g} s")

    def stop(self, timeout: float = TIMEOUT) -> int:
        """End it by SIGTERM, after `timeout` seconds by SIGKILL; return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._reader.join(timeout)
        if self.process.stdout:
            self.process.stdout.close()
        return status

    def _find(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextmanager
def running_server(ini_text: str, timeout: float = TIMEOUT) -> Iterator[RunningServer]:
    """Start a server and wait until it accepts messages; stop it at the end.

    Each word PORT1, PORT2 ... in the text becomes a free port. RuntimeError if the server ends
    instead, TimeoutError if it is not ready in time. The log is added to every exception as a note.
    """
    with TemporaryDirectory(prefix="ccproxy-") as name:
        words = sorted(set(re.findall(r"\bPORT\d+\b", ini_text)))
        ports = dict(zip(words, free_ports(len(words)), strict=True))
        text = re.sub(r"\bPORT\d+\b", lambda word: str(ports[word[0]]), ini_text)
        (Path(name) / "server.ini").write_text(text, "utf-8")
        server = RunningServer(Path(name), ports)
        try:
            server.wait_for(READY, timeout)
            yield server
        except Exception as error:
            error.add_note("\n".join(["the log of the server:", *server.lines]))
            raise
        finally:
            server.stop(timeout)


def free_ports(count: int) -> list[int]:
    """Different TCP ports that no process used a moment ago, on any address of this machine.

    They are outside of the range that Linux takes the ports of clients from, so that no connection
    of another program gets one of them before it is listened on. Each worker of pytest-xdist looks
    at ports of its own, and none is given again before all others were: a port of an earlier call
    may be about to be listened on. OSError if there are not enough.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    turn = _ports_in_turn(int(worker), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    found: list[int] = []
    with ExitStack() as stack:
        for port in islice(turn, len(PORTS)):
            if len(found) == count:
                break
            one = stack.enter_context(socket.socket())
            with suppress(OSError):
                one.bind(("", port))
                found.append(port)
    if len(found) < count:
        raise OSError(f"fewer than {count} of the ports {PORTS[0]} to {PORTS[-1]} are free")
    return found


@cache
def _ports_in_turn(worker: int, workers: int) -> Iterator[int]:
    """The ports that this worker may look at, in an order of its own, again and again."""
    mine = PORTS[worker::workers]
    return cycle(random.SystemRandom().sample(mine, len(mine)))
