"""What runs on this node: processes, their sidecars, their signs of readiness.

The engine says what is to be started and ended; here it is done, and the engine is told what comes
of it. This module must never decide anything, and end no process of its own accord.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ccproxy import Context
from ccproxy.protocols import ssmmp
from ccproxy.service.configuration import Configuration
from ccproxy.service.notices import NoticeSocket

from ..repository import NOTIFY, filled
from . import probes, proc
from .children import Children
from .engine.actions import AgentAction, Kill, Spawn, WatchPorts
from .engine.engine import Engine
from .engine.rows import ProcessRow
from .engine.tables import ProcessState
from .forward import LocalPorts
from .sidecar import Callbacks, Sidecar
from .state_file import AgentStateFile, ProcessMark

READY = "READY=1"
EngineStep = Callable[[float], list[AgentAction]]
"""A call of the engine that needs only the time."""


class Runner:
    """`do` calls the engine and carries out the actions that it returns."""

    def __init__(
        self,
        ctx: Context,
        agent: Engine,
        file: AgentStateFile,
        output: str,
        do: Callable[[EngineStep], None],
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._file = file
        self._do = do
        self._loop = asyncio.get_running_loop()
        self._local_ports = LocalPorts(ctx)
        self._sidecars: dict[int, Sidecar] = {}
        self._notices: dict[int, NoticeSocket] = {}
        self.children = Children(self._loop, self._exited, output)

    async def adopt(self, marks: dict[int, ProcessMark]) -> set[int]:
        """Watch the instances of an earlier agent that still run; which ones these are."""
        alive = set()
        for key, row in self._agent.state.rows.items():
            mark = marks.get(key, ProcessMark(key))
            if not row.pid:
                row = await self._search(row)
                mark = replace(mark, start=proc.started(row.pid))
            if not self.children.adopt(key, row.pid, mark.start):
                continue
            alive.add(key)
            if mark.ports:
                await self._open_sidecar(dict(mark.env), dict(mark.ports))
        return alive

    async def _search(self, row: ProcessRow) -> ProcessRow:
        """Find a process that an agent had started when it died, before it knew the process id."""
        pid = 0
        if row.token:
            pid = await self._ctx.run_blocking(proc.find, "SSMMP_TOKEN", row.token)
        self._agent.state.rows[row.key] = replace(row, pid=pid)
        return self._agent.state.rows[row.key]

    def resume(self) -> None:
        """Go on waiting for instances that are not ready yet, and have the sidecars attach."""
        for key, row in list(self._agent.state.rows.items()):
            if row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED):
                self._listen_for_notices(key, row)
                self._do(partial(self._agent.spawned, instance=key, pid=row.pid))
        for sidecar in self._sidecars.values():
            sidecar.attach()

    def spawn(self, wanted: Spawn) -> None:
        """Start a program."""
        self._ctx.task(self._spawn(wanted))

    def kill(self, wanted: Kill) -> None:
        """Send a signal to an instance."""
        if not self.children.kill(wanted.instance, wanted.signal):
            self._ctx.count("kill.gone")

    def watch(self, wanted: WatchPorts) -> None:
        """Say when all ports accept."""
        self._ctx.task(self._watch(wanted))

    def deliver(self, connection: str, message: ssmmp.SsmmpMessage) -> bool:
        """Give a message to the sidecar on a control connection; False if it is not a sidecar's."""
        found = next((one for one in self._sidecars.values() if one.name == connection), None)
        if found is not None:
            found.received(ssmmp.format(message))
        return found is not None

    def tick(self) -> None:
        """The time may have come for what sidecars wait for."""
        for sidecar in list(self._sidecars.values()):
            sidecar.tick()

    def close(self) -> None:
        """Stop watching; what runs goes on."""
        self.children.close()
        for instance in list(self._sidecars):
            self._sidecars.pop(instance).close(self._local_ports)
        for instance in list(self._notices):
            self._stop_notify(instance)

    async def _spawn(self, wanted: Spawn) -> None:
        key = wanted.instance
        row = self._agent.state.rows.get(key)
        try:
            if row is not None:
                wanted = await self._prepare(wanted, row)
            pid = await self._ctx.run_blocking(self.children.launch, wanted)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            why, status = str(error), 423 if isinstance(error, probes.PortTaken) else 500
            self._release(key)
            self._do(lambda now: self._agent.unspawned(now, key, why, status))
            return
        start = self.children.watch(key, pid)
        sidecar = self._sidecars.get(key)
        plugs = tuple((plug, one.number) for plug, one in sidecar.ports.items()) if sidecar else ()
        self._file.mark(ProcessMark(key, start, wanted.env if sidecar else (), plugs))
        self._do(lambda now: self._agent.spawned(now, key, pid))
        if sidecar is not None:
            sidecar.attach()

    async def _prepare(self, wanted: Spawn, row: ProcessRow) -> Spawn:
        """Add the ports of its sidecar and the name of its notice socket; PortTaken if it could
        not listen on the ports of its sockets."""
        address = self._agent.state.identity.address
        await probes.require_free(address, [port for _, port in row.sockets])
        program = self._agent.state.repository.programs.get(row.program)
        env = dict(wanted.env)
        values: dict[str, str] = {}
        if program is not None and program.forward:
            sidecar = await self._open_sidecar(env, {})
            values = {f"plug:{plug}": str(one.number) for plug, one in sidecar.ports.items()}
        if name := self._listen_for_notices(wanted.instance, row):
            env["NOTIFY_SOCKET"] = name
        env = {key: filled(text, values) for key, text in env.items()}
        command = tuple(filled(word, values) for word in wanted.command)
        return replace(wanted, command=command, env=tuple(env.items()))

    async def _open_sidecar(self, env: dict[str, str], numbers: dict[str, int]) -> Sidecar:
        configuration = Configuration.from_environment(env)
        callbacks = Callbacks(self._received, self._stop)
        sidecar = Sidecar(self._ctx, configuration, callbacks)
        self._sidecars[configuration.instance] = sidecar
        await sidecar.open(self._local_ports, numbers)
        return sidecar

    async def _watch(self, wanted: WatchPorts) -> None:
        key, state = wanted.instance, self._agent.state

        def starting() -> bool:
            row = state.rows.get(key)
            return row is not None and row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED)

        async def owned(port: int) -> bool:
            row = state.rows.get(key)
            return row is not None and await self._ctx.run_blocking(proc.listens, row.pid, port)

        questions = probes.PortQuestions(starting, owned)
        if await probes.accepting(state.identity.address, wanted.ports, questions):
            self._do(lambda now: self._agent.ready(now, key))

    def _listen_for_notices(self, key: int, row: ProcessRow) -> str:
        """Wait for the notice of a program that says when it is ready: the name of the socket,
        empty if the program is known to be ready by other means."""
        program = self._agent.state.repository.programs.get(row.program)
        if program is None or program.ready != NOTIFY:
            return ""
        notices = self._notices[key] = NoticeSocket(f"ssmmp-{key}-{row.token}")

        def readable() -> None:
            if READY in notices.read():
                self._do(lambda now: self._agent.ready(now, key))

        self._loop.add_reader(notices.fileno(), readable)
        return notices.name

    def _stop_notify(self, key: int) -> None:
        notices = self._notices.pop(key, None)
        if notices is not None:
            self._loop.remove_reader(notices.fileno())
            notices.close()

    def _received(self, name: str, data: bytes) -> None:
        """A sidecar has sent bytes."""
        for message in _messages(data):
            self._do(partial(self._agent.from_instance, connection=name, message=message))

    def _stop(self, instance: int) -> None:
        """A sidecar was asked to end its program."""
        row = self._agent.state.rows.get(instance)
        program = self._agent.state.repository.programs.get(row.program) if row else None
        self.children.kill(instance, program.stop_signal if program else "TERM")

    def _exited(self, key: int, status: int) -> None:
        sidecar = self._sidecars.get(key)
        row = self._agent.state.rows.get(key)
        output = self.children.last_line(row.program, key) if row else ""
        self._release(key)
        if sidecar is not None:
            self._do(lambda now: self._agent.detached(now, sidecar.name))
        self._do(lambda now: self._agent.exited(now, key, status, output))

    def _release(self, key: int) -> None:
        sidecar = self._sidecars.pop(key, None)
        if sidecar is not None:
            sidecar.close(self._local_ports)
        self._stop_notify(key)


def _messages(data: bytes) -> Iterator[ssmmp.SsmmpMessage]:
    for unit in ssmmp.Reader().feed(data):
        yield ssmmp.parse(unit)
