"""What runs on this node: processes, their stand-ins, their signs of readiness.

The pure agent says what is to be started and ended; here it is done, and what comes of it is said
to the agent. It must never decide anything, and end no process of its own accord.
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
from .engine.actions import Action, Kill, Spawn, WatchPorts
from .engine.engine import Engine
from .engine.rows import Process
from .engine.tables import ProcessState
from .forward import Ports
from .sidecar import Ears, Stand
from .state_file import Keep, Known

READY = "READY=1"
Step = Callable[[float], list[Action]]


class Hosting:
    """`do` lets the agent take a step and carries out what it answers."""

    def __init__(
        self, ctx: Context, agent: Engine, keep: Keep, output: str, do: Callable[[Step], None]
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._keep = keep
        self._do = do
        self._loop = asyncio.get_running_loop()
        self._ports = Ports(ctx)
        self._stands: dict[int, Stand] = {}
        self._notices: dict[int, NoticeSocket] = {}
        self.children = Children(self._loop, self._ended, output)

    async def adopt(self, known: dict[int, Known]) -> set[int]:
        """The instances of an earlier agent that still run; all are watched from now on."""
        alive = set()
        for key, row in self._agent.state.rows.items():
            mark = known.get(key, Known(key))
            if not row.pid:
                row = await self._search(row)
                mark = replace(mark, start=proc.started(row.pid))
            if not self.children.adopt(key, row.pid, mark.start):
                continue
            alive.add(key)
            if mark.ports:
                await self._stand(dict(mark.env), dict(mark.ports))
        return alive

    async def _search(self, row: Process) -> Process:
        """A process that was started while the agent died, before it knew its id."""
        pid = 0
        if row.token:
            pid = await self._ctx.run_blocking(proc.find, "SSMMP_TOKEN", row.token)
        self._agent.state.rows[row.key] = replace(row, pid=pid)
        return self._agent.state.rows[row.key]

    def resume(self) -> None:
        """Go on with those that are not ready yet, and speak for those that cannot."""
        for key, row in list(self._agent.state.rows.items()):
            if row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED):
                self._listen(key, row)
                self._do(partial(self._agent.spawned, instance=key, pid=row.pid))
        for stand in self._stands.values():
            stand.attach()

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

    def hear(self, conn: str, message: ssmmp.Message) -> bool:
        """A message for a control connection; False if it is not one of a stand-in."""
        stand = next((one for one in self._stands.values() if one.name == conn), None)
        if stand is not None:
            stand.heard(ssmmp.format(message))
        return stand is not None

    def tick(self) -> None:
        """Time passes."""
        for stand in list(self._stands.values()):
            stand.tick()

    def close(self) -> None:
        """Let go of everything; what runs goes on."""
        self.children.close()
        for instance in list(self._stands):
            self._stands.pop(instance).close(self._ports)
        for instance in list(self._notices):
            self._deaf(instance)

    async def _spawn(self, wanted: Spawn) -> None:
        key = wanted.instance
        row = self._agent.state.rows.get(key)
        try:
            if row is not None:
                wanted = await self._prepare(wanted, row)
            pid = await self._ctx.run_blocking(self.children.launch, wanted)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            why = str(error)
            self._let_go(key)
            self._do(lambda now: self._agent.unspawned(now, key, why))
            return
        start = self.children.watch(key, pid)
        stand = self._stands.get(key)
        ports = tuple((plug, one.number) for plug, one in stand.ports.items()) if stand else ()
        self._keep.mark(Known(key, start, wanted.env if stand else (), ports))
        self._do(lambda now: self._agent.spawned(now, key, pid))
        if stand is not None:
            stand.attach()

    async def _prepare(self, wanted: Spawn, row: Process) -> Spawn:
        """With the ports of its stand-in, and the name of its notice socket."""
        program = self._agent.state.repository.programs.get(row.program)
        env = dict(wanted.env)
        values: dict[str, str] = {}
        if program is not None and program.forward:
            stand = await self._stand(env, {})
            values = {f"plug:{plug}": str(one.number) for plug, one in stand.ports.items()}
        if name := self._listen(wanted.instance, row):
            env["NOTIFY_SOCKET"] = name
        env = {key: filled(text, values) for key, text in env.items()}
        command = tuple(filled(word, values) for word in wanted.command)
        return replace(wanted, command=command, env=tuple(env.items()))

    async def _stand(self, env: dict[str, str], numbers: dict[str, int]) -> Stand:
        configuration = Configuration.from_environment(env)
        ears = Ears(self._said, self._stop)
        stand = self._stands[configuration.instance] = Stand(self._ctx, configuration, ears)
        await stand.open(self._ports, numbers)
        return stand

    async def _watch(self, wanted: WatchPorts) -> None:
        key, state = wanted.instance, self._agent.state

        def starting() -> bool:
            row = state.rows.get(key)
            return row is not None and row.state in (ProcessState.SPAWNED, ProcessState.ATTACHED)

        if await probes.accepting(state.identity.address, wanted.ports, starting):
            self._do(lambda now: self._agent.ready(now, key))

    def _listen(self, key: int, row: Process) -> str:
        """Hear what a program says of itself; the name of the socket, empty if it need not."""
        program = self._agent.state.repository.programs.get(row.program)
        if program is None or program.ready != NOTIFY:
            return ""
        notices = self._notices[key] = NoticeSocket(f"ssmmp-{key}-{row.token}")

        def readable() -> None:
            if READY in notices.read():
                self._do(lambda now: self._agent.ready(now, key))

        self._loop.add_reader(notices.fileno(), readable)
        return notices.name

    def _deaf(self, key: int) -> None:
        notices = self._notices.pop(key, None)
        if notices is not None:
            self._loop.remove_reader(notices.fileno())
            notices.close()

    def _said(self, name: str, data: bytes) -> None:
        """A stand-in speaks."""
        for message in _messages(data):
            self._do(partial(self._agent.from_instance, connection=name, message=message))

    def _stop(self, instance: int) -> None:
        """A stand-in was asked to have its program end."""
        row = self._agent.state.rows.get(instance)
        program = self._agent.state.repository.programs.get(row.program) if row else None
        self.children.kill(instance, program.stop_signal if program else "TERM")

    def _ended(self, key: int, status: int) -> None:
        stand = self._stands.get(key)
        self._let_go(key)
        if stand is not None:
            self._do(lambda now: self._agent.detached(now, stand.name))
        self._do(lambda now: self._agent.exited(now, key, status))

    def _let_go(self, key: int) -> None:
        stand = self._stands.pop(key, None)
        if stand is not None:
            stand.close(self._ports)
        self._deaf(key)


def _messages(data: bytes) -> Iterator[ssmmp.Message]:
    for unit in ssmmp.Reader().feed(data):
        yield ssmmp.parse(unit)
