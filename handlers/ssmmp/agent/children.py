"""The processes of instances: started in sessions of their own, watched, signalled, reaped.

A process is watched through a descriptor of its own, so that no signal ever reaches a later process
with the same id; that works for those that an earlier agent started, too. When a process has ended,
what is left of its group is killed. This module must never end a process because the agent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import proc
from .engine.actions import Spawn

_AGENT_ONLY = ("SSMMP_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
"""Variables of the agent that its programs do not get."""

_TAIL_BYTES = 1000
"""Bytes at the end of an output in which its last line is looked for."""

UNKNOWN = -1000
"""The status of a process that is no child of this one, so that the system does not tell it."""


@dataclass(slots=True)
class Child:
    """One running process."""

    pid: int
    descriptor: int
    start: str


class Children:
    """`ended(instance, status)` is called on the loop; status -N = by signal N, -1000 = unknown."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ended: Callable[[int, int], None], output: str
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._output = output
        self._all: dict[int, Child] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, instance: object) -> bool:
        return instance in self._all

    def watch(self, instance: int, pid: int) -> str:
        """Watch a process: when it started, so that it is recognised. OSError if there is none."""
        descriptor = os.pidfd_open(pid)
        child = self._all[instance] = Child(pid, descriptor, proc.started(pid))
        self._loop.add_reader(descriptor, self._exited, instance)
        return child.start

    def adopt(self, instance: int, pid: int, start: str) -> bool:
        """Watch a process of an earlier agent; False if it is gone, or another one by now."""
        if not pid or not start or proc.started(pid) != start:
            return False
        try:
            if self.watch(instance, pid) == start:
                return True
        except OSError:
            return False
        self._forget(instance)
        return False

    def kill(self, instance: int, name: str) -> bool:
        """Send a signal to the group of an instance; False if it has ended."""
        child = self._all.get(instance)
        if child is None:
            return False
        try:
            os.killpg(child.pid, getattr(signal, f"SIG{name}"))
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Watch no process any more; all go on."""
        for instance in list(self._all):
            self._forget(instance)

    def launch(self, spawn: Spawn) -> int:
        """Start a program: its process id. It may wait, so call it in a thread; OSError or
        ValueError says why it cannot be started."""
        kept = {key: text for key, text in os.environ.items() if not key.startswith(_AGENT_ONLY)}
        switch: dict[str, Any] = {}
        if spawn.user:
            switch = proc.switched(spawn.user)
            kept.update(proc.home(spawn.user))
        with self._file(spawn) as file:
            started = subprocess.Popen(
                spawn.command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**kept, **dict(spawn.env)}, cwd=spawn.directory or None,
                start_new_session=True, **switch,
            )  # fmt: skip
        # It is reaped in this module and may outlive the handler: `Popen` must neither wait for it
        # nor warn that it still runs.
        started.returncode = 0
        return started.pid

    def _file(self, spawn: Spawn) -> Any:
        if not self._output:
            return contextlib.nullcontext(None)
        name = dict(spawn.env).get("SSMMP_SERVICE_NAME", "program")
        folder = Path(self._output)
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / _output_name(name, spawn.instance)).open("ab")

    def last_line(self, program: str, instance: int) -> str:
        """The last line that a program wrote, empty if its output is not kept."""
        path = Path(self._output) / _output_name(program, instance)
        if not self._output or not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
        return next((one.strip() for one in reversed(lines) if one.strip()), "")

    def _exited(self, instance: int) -> None:
        child = self._forget(instance)
        with contextlib.suppress(OSError):  # mostly the group is empty
            os.killpg(child.pid, signal.SIGKILL)
        self._ended(instance, _reaped(child.pid))

    def _forget(self, instance: int) -> Child:
        child = self._all.pop(instance)
        self._loop.remove_reader(child.descriptor)
        os.close(child.descriptor)
        return child


def _output_name(program: str, instance: int) -> str:
    return f"{program}-{instance}.log"


def _reaped(pid: int) -> int:
    """The status of a process that has ended, if it is a child of this one."""
    with contextlib.suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
    return UNKNOWN
