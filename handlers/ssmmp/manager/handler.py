"""The handler `ssmmp-manager`: messages of agents and operators in, actions of the Manager out.

The decisions are those of the pure engine in `engine`; here messages are read and written, records
reach the state file before the messages that depend on them leave, and time passes. It must never
decide anything, nor block: the state file is written in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from ccproxy import (
    Context,
    Deliver,
    Discard,
    Full,
    Handler,
    Message,
    NativeAnswer,
    Plan,
    Problem,
    Reply,
    Verdict,
)
from ccproxy.protocols import ssmmp

from ...state_file import StateFile
from .. import graphfile
from ..journal import Record
from ..notices import Count, Notice
from ..sections import has_sections_of
from ..watched_file import WatchedFile
from . import config_check, view
from .engine.actions import Action, ClosePeer
from .engine.engine import Manager
from .event_log import EventLog
from .operator_api import VERBS, OperatorApi
from .options import Options
from .peers import Peers
from .restored import restored
from .writer import DurableWriter

RESPONSE = ".response"
"""The end of the type of an answer to an operator."""
TICK_INTERVAL = 0.05
"""Seconds between two ticks of the Manager."""
ROWS_PER_TICK = 50
"""Rows that one tick may deal with: more would hold up the loop."""


class SsmmpManager(Handler):
    """The Manager of one mesh: runs, connects and moves its services through their agents."""

    Options = Options
    commands = "mesh."
    # A successor gets the state file when this one has let go of it.
    standalone = True

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.manager: Manager
        self._peers = Peers()
        self._events = EventLog()
        self._graph = WatchedFile(options.graph, graphfile.parse)
        self._restored = 0
        self._behind = False

    def check(self, plan: Plan) -> Iterable[Problem]:
        """The graph file with the lines of all its mistakes; listeners; routes."""
        return config_check.problems(self.name, self.options, plan, self._graph)

    @classmethod
    def check_file(cls, file: str, text: str) -> Iterable[Problem] | None:
        """A graph file."""
        if not has_sections_of(text, graphfile.TABLES):
            return None
        return graphfile.parse(file, text)[1]

    async def start(self, ctx: Context) -> None:
        """ValueError, OSError or sqlite3.Error if graph or state cannot be had."""
        self.ctx = ctx
        graph = self._graph.read()
        file = StateFile(self.options.state, self.options.state_sync == "full")
        self._file = file
        self._writer = DurableWriter(ctx, file, self._notice)
        self._clock_offset = ctx.time() - ctx.now()
        # In a thread, because a reload with another option does this while the server works.
        restore = partial(restored, file, graph, self.options)
        self.manager, records, actions = await ctx.run_blocking(restore, self._now())
        self._operator_api = OperatorApi(self.manager, self._events, self._graph)
        ctx.log.info(
            "state file=%s rows=%d agents=%d instances=%d sessions=%d", self.options.state,
            records, len(self.manager.state.store.agents),
            len(self.manager.state.store.instances), len(self.manager.state.store.sessions),
        )  # fmt: skip
        self._act(actions)
        ctx.on_departure(self._departed)
        ctx.every(TICK_INTERVAL, self._tick)

    def decide(self, type: str) -> Verdict:
        """Only what it understands."""
        return Deliver() if type in _KNOWN else Discard("no message of a mesh")

    def handle(self, message: Message) -> None:
        """One message of an agent or an operator; the answers leave when the state file has what
        they depend on.

        Full if the state file takes nothing, ValueError if there is no text in the message.
        """
        if self._writer.full:
            raise Full(f"{self._writer.waiting} changes wait for {self.options.state}")
        if message.type.startswith(self.commands):
            self._operate(message)
            return
        now = self._now()
        name = self._peers.name_of(message)
        if isinstance(message.codec, ssmmp.SsmmpCodec) and message.codec.dialect.own_address:
            self.manager.legacy_peer(name)
        try:
            parsed = _parsed(message)
        except ssmmp.Malformed as error:
            self._act(self.manager.malformed(now, name, error))
        else:
            self._receive(now, name, parsed)
        if message.origin is None and not self._registered(name):
            # A peer behind other servers does not tell when it leaves.
            self._gone(name)

    def status(self) -> dict[str, Any]:
        """Counts by state, how far the state file is, and the mesh, as far as it fits."""
        size, log = self._file.sizes()
        return {
            **view.summary(self.manager),
            "peers": len(self._peers),
            "rows written": self._writer.written,
            "commits": self._writer.commits,
            "waiting": self._writer.waiting,
            "state file": size,
            "state log": log,
            "state fault": self._writer.fault,
            "mesh": view.overview(self.manager, self._now()),
        }

    async def stop(self) -> None:
        """Close all connections: the agents connect again when a Manager is there, and what they
        run goes on."""
        if not hasattr(self, "_writer"):
            return
        for name in self._peers.names():
            self._writer.then(partial(self._close, name))
        await self._writer.end()

    def _now(self) -> float:
        """The time of the Manager: seconds since 1970 at the start, and from then on those of a
        clock that never jumps, so that no timer and no age does."""
        return self.ctx.now() + self._clock_offset

    # In

    def _operate(self, message: Message) -> None:
        if message.listener not in self.options.operate_from:
            self.ctx.count("mesh.refused")
            what = f"[{message.listener}] is not among operate-from of [{self.name}]"
            self.ctx.act(Reply(message.type + RESPONSE, {"error": what}), message)
            return
        verb = message.type.removeprefix(self.commands)
        answer, actions = self._operator_api.answer(self._now(), verb, message.value())
        self._act(actions)
        reply = Reply(message.type + RESPONSE, answer)
        if actions:
            self._writer.then(partial(self.ctx.act, reply, message))
            return
        self.ctx.act(reply, message)

    def _receive(self, now: float, name: str, message: ssmmp.SsmmpMessage) -> None:
        """A message of an agent. If the Manager fails in the middle of it, what it has changed by
        then is written all the same: else the state file would not be what the Manager knows."""
        self.manager.state.begin(now)
        try:
            self.manager.receive(now, name, message)
        finally:
            self._act(self.manager.state.log)

    def _departed(self, identity: bytes) -> None:
        for name in self._peers.behind(identity):
            self._gone(name)

    def _gone(self, name: str) -> None:
        self._peers.forget(name)
        self._act(self.manager.disconnected(self._now(), name))

    def _registered(self, name: str) -> bool:
        return self.manager.state.store.agent_index.first(("peer", name)) is not None

    def _tick(self) -> None:
        now = self._now()
        if self.manager.next_deadline() <= now and not self._writer.full:
            self._act(self.manager.tick(now, ROWS_PER_TICK))
        self._catch_up(now)
        if self._file.restored > self._restored:
            self._restored = self._file.restored
            what = "it had vanished, and was written anew with all that it held"
            self._notice(Notice("state file", self.options.state, what, alarm=True))
        if count := self._events.take_not_logged():
            self.ctx.log.warning("events not logged=%d", count)

    def _catch_up(self, now: float) -> None:
        """Go on in the next turn of the loop with what is due or was deferred."""
        if self._behind or self._writer.full or self.manager.next_deadline() > now:
            return
        self._behind = True
        self.ctx.call_later(0.0, self._tick_again)

    def _tick_again(self) -> None:
        self._behind = False
        self._tick()

    def reloaded(self) -> Iterable[str]:
        """Take over a graph file that has changed, unless it has mistakes."""
        if not self._graph.changed:
            return ()
        try:
            graph = self._graph.read()
        except (OSError, ValueError) as error:
            self.ctx.log.error("the old graph stays: %s", error)
            return (f"the old graph stays: {error}",)
        plan = self.manager.plan_reload(graph)
        self._act(self.manager.reload(self._now(), graph))
        self.ctx.log.info("graph reloaded services=%d", len(graph.services))
        return plan.lines()

    # Out

    def _act(self, actions: list[Action]) -> None:
        for one in actions:
            if isinstance(one, Record):
                self._writer.add(one)
            elif isinstance(one, Count):
                self.ctx.count(one.name)
            elif isinstance(one, Notice):
                self._notice(one)
            elif isinstance(one, ClosePeer):
                self._writer.then(partial(self._close, one.peer))
            else:
                self._tell(one.peer, one.message)
        if self.manager.state.backlog:
            self._catch_up(self._now())

    def _tell(self, peer: str, message: ssmmp.SsmmpMessage) -> None:
        """The peer may be forgotten before the state file is written, and still gets its answer."""
        to = self._peers.find(peer)
        if to is None:
            self.ctx.count("told.gone")
            return
        self._writer.then(partial(self._send, to, message, self.manager.edition(peer)))

    def _send(self, to: Message, message: ssmmp.SsmmpMessage, edition: ssmmp.Edition) -> None:
        if to.origin is None or not isinstance(to.codec, ssmmp.SsmmpCodec):
            value = ssmmp.value_of(message, edition)
            self.ctx.act(Reply(ssmmp.type_of(message), value), to)
            return
        text = ssmmp.format(message, replace(to.codec.dialect, edition=edition))
        if to.origin.answer(to, NativeAnswer(text)) == "full":
            # The agent would wait for this message for ever: it has to register anew.
            self.ctx.count("told.full")
            to.origin.answer(to, NativeAnswer(b""))

    def _close(self, peer: str) -> None:
        to = self._peers.find(peer)
        if to is None:
            return
        if to.origin is not None:
            to.origin.answer(to, NativeAnswer(b""))
            return
        self._gone(peer)

    def _notice(self, notice: Notice) -> None:
        now = self.ctx.time()
        self._events.add(now, notice)
        if notice.alarm or self._events.may_log(now):
            log = self.ctx.log.warning if notice.alarm else self.ctx.log.info
            log("%s %s %s", notice.what, notice.subject, notice.detail)


_KNOWN = {ssmmp.PREFIX + row.type for row in ssmmp.ROWS}
_KNOWN |= {SsmmpManager.commands + verb for verb in VERBS}


def _parsed(message: Message) -> ssmmp.SsmmpMessage:
    """What a listener has parsed already, if that is a message to a Manager."""
    found = message.payload[-1] if message.origin is not None else None
    if isinstance(found, ssmmp.SsmmpMessage):
        row = ssmmp.row_of(found)
        if row is not None and row.receiver is ssmmp.Actor.MANAGER:
            return found
    return ssmmp.parse(ssmmp.text_of(message.value()), ssmmp.Actor.MANAGER)
