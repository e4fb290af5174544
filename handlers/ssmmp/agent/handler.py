"""The handler `ssmmp-agent`: messages of instances and of the Manager in, actions of the agent out.

What decides is pure and stands in `agent`; here messages are read and written, rows are kept, and
time passes. It must never end an instance because it ends itself: a later agent takes it up.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
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
from ..repository import parse
from ..watched_file import WatchedFile
from . import config_check as section
from .engine.actions import (
    Action,
    Connect,
    Disconnect,
    Kill,
    Spawn,
    ToInstance,
    ToManager,
    WatchPorts,
)
from .engine.engine import Engine
from .engine.state import Identity
from .engine.tables import LinkState
from .manager_link import Hears, line_to
from .options import PLAIN, Options
from .runner import Hosting
from .state_file import Keep

BEAT = 0.05
"""Seconds between two looks at what is due."""
PROBE = "agent_health_control_request"


class SsmmpAgent(Handler):
    """The agent of one node: runs the programs its Manager asks for, and speaks for them."""

    Options = Options
    # A successor gets the state file when this one has let go of it.
    standalone = True

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.agent: Engine
        self._file = WatchedFile(options.repository, parse)
        self._peers: dict[str, Message] = {}
        self._started = False
        self._heard = 0.0
        self._probed = False
        self._attempt = 0

    def check(self, plan: Plan) -> Iterable[Problem]:
        """The repository file with the lines of all its mistakes; the listener; the route."""
        return section.problems(self.name, self.options, plan, self._file)

    async def start(self, ctx: Context) -> None:
        """ValueError, OSError or sqlite3.Error if repository or state cannot be had."""
        self.ctx = ctx
        repository = self._file.read()
        self._keep = Keep(self.options.state)
        records, known = self._keep.read()
        options = self.options
        identity = Identity(options.address, options.node, options.instances)
        self.agent = Engine.restore(records, identity, repository, options, _token)
        self.hosting = Hosting(ctx, self.agent, self._keep, options.output, self._do)
        self._hears = Hears(self._linked, self._unlinked, self._told)
        self._line = line_to(options.manager, ctx, self._hears)
        self._where = options.manager
        alive = await self.hosting.adopt(known)
        self._started = True
        ctx.log.info("instances running=%d ended=%d", len(alive),
                     len(self.agent.state.rows) - len(alive))  # fmt: skip
        self._do(lambda now: self.agent.resume(now, alive))
        self.hosting.resume()
        ctx.on_departure(self._departed)
        ctx.every(BEAT, self._beat)

    def decide(self, type: str) -> Verdict:
        """Only what instances say."""
        return Deliver() if type in _KNOWN else Discard("no message of an instance")

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
            "manager": self._where,
            "link": str(state.link.state),
            "instances": len(state.rows),
            **{f"instances {state}": count for state, count in sorted(states.items())},
            "processes": len(self.hosting.children),
            "sessions": len(state.sessions),
        }

    async def stop(self) -> None:
        """Instances go on; they attach again when somebody is there."""
        if self._started:
            self._line.close()
            self.hosting.close()
            # They attach again: to the next handler, or when there is an agent again.
            for name in list(self._peers):
                self._disconnect(name)
        if hasattr(self, "_keep"):
            self._keep.close()

    # In

    def _linked(self) -> None:
        self._heard, self._probed = self.ctx.now(), False
        self._do(self.agent.linked)

    def _unlinked(self, reason: str) -> None:
        if self.agent.state.link.state is not LinkState.DISCONNECTED:
            self.ctx.log.warning("no Manager at=%s: %s", self._where, reason)
        self._do(self.agent.unlinked)

    def _told(self, text: str | bytes) -> None:
        """The Manager says something."""
        self._heard = self.ctx.now()
        try:
            message = ssmmp.parse(text, ssmmp.Actor.AGENT)
        except ssmmp.Malformed as error:
            self.ctx.count("malformed.manager")
            if error.answer:
                self._line.send(error.answer)
            return
        self._probed = self._probed or message.type == PROBE
        self._do(lambda now: self.agent.from_manager(now, message))

    def _departed(self, identity: bytes) -> None:
        name = identity.hex()
        if self._peers.pop(name, None) is not None:
            self._do(lambda now: self.agent.detached(now, name))

    def _beat(self) -> None:
        now = self.ctx.now()
        self.hosting.tick()
        if self.agent.next_deadline() <= now:
            self._do(self.agent.tick)
        silent = self._probed and now - self._heard > self.options.manager_silence
        if silent and self.agent.state.link.state is LinkState.REGISTERED:
            self._line.close()
            self._unlinked(f"silent for {now - self._heard:.0f} s")

    def reloaded(self) -> None:
        """Take over a repository file that has changed, unless it has mistakes."""
        if not self._file.changed:
            return
        try:
            repository = self._file.read()
        except (OSError, ValueError) as error:
            self.ctx.log.error("the old repository stays: %s", error)
            return
        self._do(lambda now: self.agent.reload(now, repository))
        self.ctx.log.info("repository reloaded programs=%d", len(repository.programs))

    # Out

    def _do(self, step: Callable[[float], list[Action]]) -> None:
        """One step of the agent; what it changes is kept before anything else happens."""
        actions = step(self.ctx.now())
        self._keep.write(one for one in actions if isinstance(one, Record))
        for one in actions:
            self._act(one)

    def _act(self, one: Action) -> None:
        if isinstance(one, ToManager):
            self._line.send(one.message)
        elif isinstance(one, ToInstance):
            self._tell(one.connection, one.message)
        elif isinstance(one, Count):
            self.ctx.count(one.name)
        elif isinstance(one, Notice):
            log = self.ctx.log.warning if one.alarm else self.ctx.log.info
            log("%s %s %s", one.what, one.subject, one.detail)
        elif isinstance(one, Connect):
            self._connect(one)
        elif isinstance(one, Disconnect):
            self._disconnect(one.connection)
        else:
            self._host(one)

    def _host(self, one: Action) -> None:
        if isinstance(one, Spawn):
            self.hosting.spawn(one)
        elif isinstance(one, Kill):
            self.hosting.kill(one)
        elif isinstance(one, WatchPorts):
            self.hosting.watch(one)

    def _tell(self, conn: str, message: ssmmp.Message) -> None:
        if self.hosting.hear(conn, message):
            return
        peer = self._peers.get(conn)
        if peer is None:
            self.ctx.count("told.gone")
            return
        self.ctx.act(Reply(ssmmp.type_of(message), ssmmp.value_of(message)), peer)

    def _connect(self, wanted: Connect) -> None:
        """Later, at the address that was named last: the configured one, or where it was sent."""
        self._attempt += 1
        attempt = self._attempt

        def connect() -> None:
            if attempt != self._attempt:
                return
            address = _scheme(wanted.address, self.options.manager)
            if address != self._where:
                self._line.close()
                self._line, self._where = line_to(address, self.ctx, self._hears), address
            self._line.connect()

        self.ctx.call_later(wanted.delay, connect)

    def _disconnect(self, conn: str) -> None:
        if not conn:
            self._line.close()
            return
        peer = self._peers.pop(conn, None)
        if peer is not None and peer.origin is not None:
            peer.origin.answer(peer, NativeAnswer(b""))


_KNOWN = frozenset(
    ssmmp.PREFIX + row.type
    for row in ssmmp.ROWS
    if row.sender is ssmmp.Actor.INSTANCE and row.receiver is ssmmp.Actor.AGENT
)


def _scheme(address: str, configured: str) -> str:
    """An address in the form of the configured one, which is taken if none is named."""
    if not address or "://" in address:
        return address or configured
    return (PLAIN if configured.startswith(PLAIN) else "tcp://") + address


def _token() -> str:
    return secrets.token_hex(16)
