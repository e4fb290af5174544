"""The handler `ssmmp-agent`: messages of instances and of the Manager in, the engine's actions out.

The engine decides; here messages are read and written, rows are kept, and the time is told. This
module must never end an instance because it ends itself: a later agent takes the instance up.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ccproxy import (
    Context,
    Deliver,
    Discard,
    Handler,
    Message,
    NativeAnswer,
    Plan,
    Problem,
    Reply,
    Verdict,
)
from ccproxy.protocols import ssmmp

from ..journal import Record
from ..notices import Count, Notice
from ..repository import TABLES, parse
from ..sections import has_sections_of
from ..watched_file import WatchedFile
from . import config_check
from .engine import (
    AgentAction,
    Connect,
    Disconnect,
    Engine,
    Identity,
    Kill,
    Spawn,
    ToInstance,
    ToManager,
    WatchPorts,
)
from .engine.tables import LinkState
from .manager_link import ManagerCallbacks, ManagerLink
from .options import Options
from .runner import EngineStep, Runner
from .state_file import AgentStateFile

TICK = 0.05
"""Seconds between two looks at what is due."""
RETRY_INTERVAL = 0.5
"""Seconds between two attempts to write what could not be written."""


class SsmmpAgent(Handler):
    """The agent of one node: runs the programs its Manager asks for, and speaks for them."""

    Options = Options
    # A successor can open the state file only when this handler has closed it.
    standalone = True

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.agent: Engine
        self._repository = WatchedFile(options.repository, parse)
        self._file: AgentStateFile | None = None
        self._peers: dict[str, Message] = {}
        self._started = False
        self._faulty = False
        self._retry_at = 0.0

    def check(self, plan: Plan) -> Iterable[Problem]:
        """The repository file with the lines of all its mistakes; the listener; the route."""
        return config_check.problems(self.name, self.options, plan, self._repository)

    @classmethod
    def check_file(cls, file: str, text: str) -> Iterable[Problem] | None:
        """A repository file."""
        return parse(file, text)[1] if has_sections_of(text, TABLES) else None

    async def start(self, ctx: Context) -> None:
        """ValueError, OSError or sqlite3.Error if repository or state cannot be had."""
        self.ctx = ctx
        options = self.options
        repository = self._repository.read()
        file = self._file = AgentStateFile(options.state)
        records, marks = file.read()
        identity = Identity(options.address, options.node, options.instances)
        self.agent = Engine.restore(records, identity, repository, options, _token)
        self.runner = Runner(ctx, self.agent, file, options.output, self._do)
        callbacks = ManagerCallbacks(self._linked, self._unlinked, self._received)
        self._manager = ManagerLink(options.manager, ctx, callbacks)
        alive = await self.runner.adopt(marks)
        self._started = True
        ctx.log.info("instances running=%d ended=%d", len(alive),
                     len(self.agent.state.rows) - len(alive))  # fmt: skip
        self._do(lambda now: self.agent.resume(now, alive))
        self.runner.resume()
        ctx.on_departure(self._departed)
        ctx.every(TICK, self._tick)

    def decide(self, type: str) -> Verdict:
        """Take only what instances say."""
        return Deliver() if type in _INSTANCE_TYPES else Discard("no message of an instance")

    def handle(self, message: Message) -> None:
        """One message of an instance; ValueError if there is no text in it."""
        text = ssmmp.text_of(message.value())
        name = message.route[0].hex()
        if name not in self._peers:
            self._peers[name] = replace(message, payload=(), length=1)
        try:
            said = ssmmp.parse(text, ssmmp.Actor.AGENT)
        except ssmmp.Malformed as error:
            self.ctx.count("malformed")
            if error.answer:
                self._tell(name, error.answer)
            return
        self._do(lambda now: self.agent.from_instance(now, name, said))

    def status(self) -> dict[str, Any]:
        """The link to the Manager, instances by state, sessions."""
        state = self.agent.state
        states = Counter(str(row.state) for row in state.rows.values())
        return {
            "manager": self._manager.address,
            "link": str(state.link.state),
            "instances": len(state.rows),
            **{f"instances {state}": count for state, count in sorted(states.items())},
            "processes": len(self.runner.children),
            "sessions": len(state.sessions),
        }

    async def stop(self) -> None:
        """Close all connections; instances go on, and attach again to the next handler or agent."""
        if self._started:
            self._manager.close()
            self.runner.close()
            for name in list(self._peers):
                self._disconnect(name)
        if self._file is not None:
            self._file.close()

    # What comes in

    def _linked(self) -> None:
        self._do(self.agent.linked)

    def _unlinked(self, reason: str) -> None:
        if self.agent.state.link.state is not LinkState.DISCONNECTED:
            self.ctx.log.warning("no Manager at=%s: %s", self._manager.address, reason)
        self._do(self.agent.unlinked)

    def _received(self, message: ssmmp.SsmmpMessage) -> None:
        self._do(lambda now: self.agent.from_manager(now, message))

    def _departed(self, identity: bytes) -> None:
        name = identity.hex()
        if self._peers.pop(name, None) is not None:
            self._do(lambda now: self.agent.detached(now, name))

    def _tick(self) -> None:
        self.runner.tick()
        self._check_file()
        if self.agent.next_deadline() <= self.ctx.now():
            self._do(self.agent.tick)
        silence = self._manager.silence()
        if self.agent.state.registered and silence > self.options.manager_silence:
            self._manager.close()
            self._unlinked(f"silent for {silence:.0f} s")

    def _check_file(self) -> None:
        """Try again to write what could not be written; say when that begins and ends."""
        if self._file is None:
            return
        if self._file.fault and self.ctx.now() >= self._retry_at:
            self._retry_at = self.ctx.now() + RETRY_INTERVAL
            self._file.retry()
        if bool(self._file.fault) != self._faulty:
            self._faulty = bool(self._file.fault)
            what = f"cannot be written, the agent goes on: {self._file.fault}"
            what = what if self._faulty else "can be written again"
            self._act(Notice("state file", self.options.state, what, alarm=self._faulty))

    def reloaded(self) -> Iterable[str]:
        """Take over a repository file that has changed, unless it has mistakes."""
        if not self._repository.changed:
            return ()
        try:
            repository = self._repository.read()
        except (OSError, ValueError) as error:
            self.ctx.log.error("the old repository stays: %s", error)
            return (f"the old repository stays: {error}",)
        self._do(lambda now: self.agent.reload(now, repository))
        self.ctx.log.info("repository reloaded programs=%d", len(repository.programs))
        return (f"the repository has {len(repository.programs)} programs",)

    # What goes out

    def _do(self, step: EngineStep) -> None:
        """Call the engine; the rows it changes are written before anything else happens."""
        before = self.agent.state.registered
        actions = step(self.ctx.now())
        if self._file is not None:
            self._file.write(one for one in actions if isinstance(one, Record))
        for one in actions:
            self._act(one)
        if self.agent.state.registered and not before:
            self.ctx.log.info("registered manager=%s", self._manager.address)

    def _act(self, one: AgentAction) -> None:
        if isinstance(one, ToManager):
            self._manager.send(one.message)
        elif isinstance(one, ToInstance):
            self._tell(one.connection, one.message)
        elif isinstance(one, Count):
            self.ctx.count(one.name)
        elif isinstance(one, Notice):
            log = self.ctx.log.warning if one.alarm else self.ctx.log.info
            log("%s %s %s", one.what, one.subject, one.detail)
        elif isinstance(one, Connect):
            self._manager.connect(one.delay, one.address)
        elif isinstance(one, Disconnect):
            self._disconnect(one.connection)
        elif isinstance(one, Spawn):
            self.runner.spawn(one)
        elif isinstance(one, Kill):
            self.runner.kill(one)
        elif isinstance(one, WatchPorts):
            self.runner.watch(one)

    def _tell(self, connection: str, message: ssmmp.SsmmpMessage) -> None:
        if self.runner.deliver(connection, message):
            return
        peer = self._peers.get(connection)
        if peer is None:
            self.ctx.count("told.gone")
            return
        self.ctx.act(Reply(ssmmp.type_of(message), ssmmp.value_of(message)), peer)

    def _disconnect(self, connection: str) -> None:
        if not connection:
            self._manager.close()
            return
        peer = self._peers.pop(connection, None)
        if peer is not None and peer.origin is not None:
            peer.origin.answer(peer, NativeAnswer(b""))


_INSTANCE_TYPES = frozenset(
    ssmmp.PREFIX + row.type
    for row in ssmmp.ROWS
    if row.sender is ssmmp.Actor.INSTANCE and row.receiver is ssmmp.Actor.AGENT
)


def _token() -> str:
    return secrets.token_hex(16)
