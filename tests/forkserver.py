"""Servers of tests are forked from a process that has imported what every server needs.

A new Python that runs `python -m ccproxy FILE` spends 0.35 s of processor time until it listens,
nearly all of it for imports that are the same each time: those of the server, and those of the
built-in handlers, protocols and verbs. The forked process runs the module
`ccproxy` from its beginning to the end of the interpreter: command line, INI, plugins by name,
finalisers; modules that were imported before the fork are left as they are at its end, because to
clear them takes as long as to start. It is no child of the test, so its end is read from a pipe.

Demos, benchmarks, the verbs of tests/test_cli.py, and servers that a test starts with `fresh=True`
are new Pythons all the same; if the environment variable CCPROXY_FRESH is set, everything is.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

FRESH = "CCPROXY_FRESH"
NUMBER = struct.Struct("=i")
"""In the pipe of a process: its id when it starts, its exit status when it has ended."""
LONGEST_REQUEST = 1 << 17
SECONDS = 60
"""What is run to its end has ended by then."""


class ForkedProcess:
    """A process that `ForkServer` has started, with the methods of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], news: int, stdout: IO[str] | None) -> None:
        self.args = command
        self.stdout = stdout
        self.returncode: int | None = None
        self._news = news
        self._reading = threading.Lock()
        weakref.finalize(self, os.close, news)
        self.pid = self._read()

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status when it has ended; TimeoutExpired if that takes longer."""
        if self.returncode is None and not select.select([self._news], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        with self._reading:
            if self.returncode is None:
                self.returncode = self._read()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ends now
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        data = os.read(self._news, NUMBER.size)
        if not data:
            raise RuntimeError("the process that forks servers has ended")
        return int(NUMBER.unpack(data)[0])


class ForkServer:
    """The process that forks; it is started when it is first asked for."""

    def __init__(self, fresh: Callable[[Sequence[str], Path], Any]) -> None:
        """`fresh` starts a command in a directory as a process of its own."""
        self._fresh = fresh
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = threading.Lock()
        self._python = _python_settings()

    def launch(self, command: Sequence[str], directory: Path) -> Any:
        """Start `python -m ccproxy ...` as `RunningServer.launch` does, but by a fork if that is
        the same."""
        if self._needs_fresh():
            return self._fresh(command, directory)
        stdout, output = os.pipe()
        news = self._fork(command, directory, output, output)
        os.close(output)
        return ForkedProcess(command, news, open(stdout, errors="replace"))  # noqa: SIM115, PTH123

    def run(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `ccserver` with these words to its end, as `subprocess.run` does."""
        command = [sys.executable, "-m", "ccproxy", *words]
        with TemporaryFile("w+", errors="replace") as out, TemporaryFile("w+") as err:
            if self._needs_fresh():
                process: Any = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
            else:
                files = out.fileno(), err.fileno()
                process = ForkedProcess(command, self._fork(command, folder or ".", *files), None)
            try:
                status = process.wait(SECONDS)
            finally:
                process.kill()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, status, out.read(), err.read())

    def _needs_fresh(self) -> bool:
        return FRESH in os.environ or _python_settings() != self._python

    def _fork(self, command: Sequence[str], folder: Path | str, output: int, error: int) -> int:
        """Start it; the pipe with its news."""
        request = {
            "words": command[3:], "folder": str(Path(folder).absolute()),
            "environment": {**os.environ},
        }  # fmt: skip
        news, report = os.pipe()
        with self._asking:
            files = [output, error, report]
            socket.send_fds(self._connected(), [json.dumps(request).encode()], files)
        os.close(report)
        return news

    def close(self) -> None:
        """End the process that forks, which must have no processes left."""
        if self._process is not None:
            self._socket.close()
            self._process.wait()

    def _connected(self) -> socket.socket:
        if self._process is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                )  # fmt: skip
        return self._socket


def _python_settings() -> dict[str, str]:
    """What a Python reads once, when it starts."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}


class _Forks:
    """The loop of the process that forks: requests, and children that have ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._reports: dict[int, int] = {}
        self._ended, self._wake = os.pipe()
        for one in (self._ended, self._wake):
            os.set_blocking(one, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def run(self) -> dict[str, Any] | None:
        """What a forked process is to do; in the process that forks None, at its end."""
        while True:
            ready, _, _ = select.select([self._requests, self._ended], [], [])
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._report()
            if self._requests in ready:
                data, files, _, _ = socket.recv_fds(self._requests, LONGEST_REQUEST, 3)
                if not data:
                    return None
                *outputs, report = files
                child = os.fork()
                if not child:
                    os.close(report)
                    self._leave()
                    return {"outputs": outputs, **json.loads(data)}
                for one in outputs:
                    os.close(one)
                self._reports[child] = report
                os.write(report, NUMBER.pack(child))

    def _report(self) -> None:
        """Say which children have ended, and how."""
        while self._reports:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            report = self._reports.pop(child)
            with suppress(BrokenPipeError):  # nothing waits for it any more
                os.write(report, NUMBER.pack(os.waitstatus_to_exitcode(status)))
            os.close(report)

    def _leave(self) -> None:
        """Have nothing of the process that forks in a forked one."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (self._ended, self._wake, *self._reports.values()):
            os.close(one)
        self._requests.close()


def _become(words: list[str], folder: str, environment: dict[str, str], outputs: list[int]) -> None:
    """Be `python -m ccproxy WORDS`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, one in enumerate(outputs, 1):
        os.dup2(one, number)
        os.close(one)
    sys.argv[1:] = words
    runpy.run_module("ccproxy", run_name="__main__", alter_sys=True)


def _import_plugins() -> None:
    """Import the built-in plugins. Those of a server for redirection take 0.1 s of processor time,
    more than all else that it does until it listens."""
    for kind in ("handlers", "protocols", "verbs"):
        for point in entry_points(group=f"ccproxy.{kind}"):
            if point.module.partition(".")[0] in ("ccproxy", "ccproxy_handlers"):
                importlib.import_module(point.module)


def _leave_modules(kept: dict[str, Any]) -> None:
    """Let the end of the interpreter not find these modules, which it would clear one by one: that
    writes to each page that the process shares with the one that forks, 25 ms."""
    gc.collect()  # what is garbage is finalised while modules can still be imported
    for name in kept.keys() - {"builtins", "sys"}:
        sys.modules.pop(name, None)


def main() -> None:
    """Import what servers import, then fork as often as asked."""
    kept: dict[str, Any] = {}
    atexit.register(_leave_modules, kept)  # before all others, so it is called after them
    importlib.import_module("ccproxy.server.server")
    importlib.import_module("ccproxy.commands.run").uvloop()
    importlib.import_module("encodings.idna")  # every look-up of a host imports it
    _import_plugins()
    kept.update(sys.modules)
    kept[""] = kept  # nothing frees a cycle of the frozen heap
    gc.collect()
    gc.freeze()  # or each child would look at all this, and have to copy it for that
    asked = _Forks(socket.socket(fileno=int(sys.argv[1]))).run()
    if asked is not None:
        _become(**asked)


if __name__ == "__main__":
    main()
