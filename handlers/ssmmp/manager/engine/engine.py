"""The Manager as one object: messages, time and commands in, lists of actions out.

Pure: no sockets, no clock, no log. Each call gets the time (seconds; the same clock in all calls of
one process) and returns what is to be done, in order: records first made durable, then messages
sent. `Manager.restore(records)` gives back the state, `resume` takes it up after a restart.

The parts are those of `parts.py`. What follows from what in the parts above is in one table here,
`Manager._receivers_of_events`. This module must never decide anything that a part can decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ccproxy.protocols import ssmmp

from ...commands import OperatorCommand, text_of
from ...graph import Graph
from ...journal import Record
from .actions import Action
from .events import (
    AgentLost,
    AgentSilent,
    AgentUsable,
    Changed,
    ClientFailed,
    Event,
    InstanceEmpty,
    InstanceGone,
    InstanceLeaves,
    InstancePlaceable,
    InstanceServes,
    PortsReleased,
    RequestsWait,
    ServiceImpossible,
    ServiceUnbalanced,
    SessionAcked,
    SessionGone,
    SessionOffered,
    SessionsOrphaned,
    SessionWaits,
)
from .graph_reload import ReloadPlan
from .messages import Messages
from .parts import ManagerParts, half
from .plans import OperationPlan
from .rows import AgentRow, InstanceRow, NodeFailures, OperationRow, SessionRow, StateRow
from .settings import ManagerSettings

_MAX_ROWS = 1_000_000
"""Rows that one `tick` deals with, unless its caller says otherwise."""
_DEFERRED_COST = 25
"""The rows that a deferred event counts for."""

EventReceivers = dict[type[Event], tuple[Callable[[Any], None], ...]]


class Manager(ManagerParts):
    """`random` gives numbers from 0 to below 1, for the policy random-two."""

    def __init__(
        self,
        graph: Graph,
        settings: ManagerSettings | None = None,
        random: Callable[[], float] = half,
    ) -> None:
        super().__init__(graph, settings, random)
        self._messages = Messages(self)
        self._event_receivers = self._receivers_of_events()

    @classmethod
    def restore(
        cls,
        records: Iterable[Record],
        graph: Graph,
        settings: ManagerSettings | None = None,
        random: Callable[[], float] = half,
    ) -> Manager:
        """The Manager in the state that the records of a journal tell."""
        made = cls(graph, settings, random)
        made.state.store.restore(records)
        return made

    # What follows from what

    def _receivers_of_events(self) -> EventReceivers:
        """The table of events: the parts that get one, in their order."""
        return {
            **self._receivers_of_session_events(),
            **self._receivers_of_other_events(),
            **self._receivers_of_deferred_events(),
        }

    def _changed(self, event: Event) -> None:
        self.operations.changed()

    def _receivers_of_session_events(self) -> EventReceivers:
        return {
            # A session has ended: its ends may be idle now, and a drain may go on.
            SessionGone: (
                lambda event: self.instances.idle(event.instance),
                lambda event: self.closing.advance(event.instance),
                lambda event: self.offers.repeat_held(event.instance),
                lambda event: self.services.session_gone(event.instance),
                self._changed,
            ),
            # A message id is free again: requests that came with it meanwhile are taken up.
            SessionAcked: (lambda event: self.offers.repeat_held(event.instance),),
            # An instance has one more session: the service may need one more instance.
            SessionOffered: (lambda event: self.services.add_for_load(event.service),),
            # A request waits: an instance is started for it if none is on its way.
            SessionWaits: (lambda event: self.services.balance(event.service),),
            # A client could not reach an instance: its agent is asked how it is.
            ClientFailed: (lambda event: self.health.ask(event.instance),),
        }

    def _receivers_of_other_events(self) -> EventReceivers:
        return {
            # A planned instance is due: perhaps there is a place for it now.
            InstancePlaceable: (lambda event: self.services.find_place(event.instance),),
            # An instance is ready: the requests that wait are offered it.
            InstanceServes: (
                lambda event: self.offers.answer_waiting(event.service),
                self._changed,
            ),
            # An instance begins to end: another one is started if its service wants it.
            InstanceLeaves: (lambda event: self.services.balance(event.service), self._changed),
            # A draining instance has no session left: it is asked to end.
            InstanceEmpty: (lambda event: self.instances.emptied(event.instance),),
            # An instance has ended: it is counted and replaced, and its node may be drained now.
            InstanceGone: (
                lambda event: self.services.settle(event.row),
                lambda event: self.agents.check_empty(event.row.agent),
                self._changed,
            ),
            # Ports are free again: an instance that waits for a place may get them.
            PortsReleased: (lambda event: self.services.ports_released(),),
            # An agent says nothing any more: its connection counts as ended.
            AgentSilent: (lambda event: self.agents.gone(event.peer),),
            # An agent takes instances: what waits for a place may run there.
            AgentUsable: (lambda event: self.agents.use(event.agent),),
            # An agent does not come back: what ran there is given up, some at a time.
            AgentLost: (lambda event: self.agents.lose_some(event.agent),),
            Changed: (self._changed,),
        }

    def _receivers_of_deferred_events(self) -> EventReceivers:
        """The rest of what would take too long at once."""
        return {
            SessionsOrphaned: (lambda event: self.closing.far_ends(event.instance, event.after),),
            RequestsWait: (lambda event: self.offers.answer_waiting(event.service),),
            ServiceImpossible: (lambda event: self.services.refuse_if_impossible(event.service),),
            ServiceUnbalanced: (lambda event: self.services.go_on(event.service),),
        }

    def _done(self) -> list[Action]:
        """The call is over: hand out the events that it left, and those that they leave; then let
        operations go on, as long as anything changes. All actions of the call."""
        pending = self.state.pending
        while pending or self.operations.dirty:
            while pending:
                event = pending.popleft()
                for receive in self._event_receivers[type(event)]:
                    receive(event)
            if self.operations.dirty:
                self.operations.run()
        return self.state.log

    # Calls

    def start(self, now: float) -> list[Action]:
        """Begin: what is to run from the start is planned."""
        self.state.begin(now)
        self.services.balance_all()
        return self._done()

    def resume(self, now: float) -> list[Action]:
        """Take up a restored state: no agent has a connection, every time starts anew."""
        self.state.begin(now)
        self.restart.resume()
        return self._done()

    def receive(self, now: float, sender: str, message: ssmmp.SsmmpMessage) -> list[Action]:
        """A message on the connection `sender`."""
        self.state.begin(now)
        self._messages.receive(sender, message)
        return self._done()

    def malformed(self, now: float, sender: str, error: ssmmp.Malformed) -> list[Action]:
        """A text on the connection `sender` that is no acceptable message."""
        self.state.begin(now)
        self._messages.malformed(sender, error)
        return self._done()

    def disconnected(self, now: float, sender: str) -> list[Action]:
        """The connection `sender` has ended."""
        self.state.begin(now)
        self._messages.forget(sender)
        self.agents.gone(sender)
        self.legacy_peers.peers.discard(sender)
        return self._done()

    def tick(self, now: float, most: int = _MAX_ROWS) -> list[Action]:
        """The time has come for what waits for it; call at `next_deadline`, or more often. After
        `most` rows it stops, and `next_deadline` is still due: thousands may be due at once. What
        was deferred comes after them.
        """
        self.state.begin(now)
        self.health.tick()
        while most > 0 and (row := self.state.store.due(now)):
            self._expired(row)
            most -= 1
        while most > 0 and self.state.backlog:
            event = next(iter(self.state.backlog))
            del self.state.backlog[event]
            self.state.pending.append(event)
            self._done()
            most -= _DEFERRED_COST
        return self._done()

    def _expired(self, row: StateRow) -> None:
        if isinstance(row, AgentRow):
            self.agents.fire(row.key, "timeout")
        elif isinstance(row, InstanceRow):
            self.instances.expired(row)
        elif isinstance(row, SessionRow):
            self.sessions.fire(row, "timeout")
        elif isinstance(row, OperationRow):
            self.operations.expired(row)
        elif isinstance(row, NodeFailures):
            self.services.forgive(row)

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        if self.state.backlog:
            return self.state.now
        due = self.state.store.next_deadline()
        probe = self.health.next_probe
        return probe if due is None else min(due, probe)

    def plan(self, command: OperatorCommand) -> OperationPlan:
        """What a command would do now; nothing is changed."""
        return self.planner.plan(command)

    def execute(self, now: float, command: OperatorCommand) -> tuple[int, list[Action]]:
        """Carry out a command; the id of the operation, 0 if it is refused (see `plan`)."""
        _, number, actions = self.execute_planned(now, command)
        return number, actions

    def execute_planned(
        self, now: float, command: OperatorCommand
    ) -> tuple[OperationPlan, int, list[Action]]:
        """As `execute`, with the plan that is carried out."""
        self.state.begin(now)
        wanted = self.planner.plan(command)
        if wanted.refusal:
            self.state.notice("refused", text_of(command), wanted.refusal)
            return wanted, 0, self._done()
        return wanted, self.operations.execute(wanted), self._done()

    def stop_operation(self, now: float, key: int) -> list[Action]:
        """Begin no further step of an operation."""
        self.state.begin(now)
        self.operations.stop(key)
        return self._done()

    def reload(self, now: float, graph: Graph) -> list[Action]:
        """Another graph: what is not in it any more ends, what is new starts."""
        self.state.begin(now)
        self.graph_reload.apply(graph)
        return self._done()

    def plan_reload(self, graph: Graph) -> ReloadPlan:
        """What another graph would change now; nothing is changed."""
        return self.graph_reload.plan(graph)

    def legacy_peer(self, peer: str) -> None:
        """A connection is that of an agent of the published implementation; see `legacy_peers`."""
        self.legacy_peers.peers.add(peer)

    def edition(self, peer: str) -> ssmmp.Edition:
        """The edition in which messages for a connection are to be written."""
        return self.state.edition(peer)

    def snapshot(self) -> list[Record]:
        """The fewest records that `restore` needs."""
        return self.state.store.snapshot()
