"""What all parts of one Manager share: rows, graph, settings, the time, the actions and the events.

The lowest part: it knows none of the others. It must never decide what happens to a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Rule

from ...graph import EAGER, Graph, GraphService
from ...notices import Count, Notice
from .actions import Action, ClosePeer, Tell
from .events import Changed, Event
from .rows import AgentRow, DesiredState, InstanceRow, SessionRow
from .settings import ManagerSettings
from .store import Store
from .tables import SessionState

TableRow = AgentRow | InstanceRow | SessionRow
"""A row that is in a state of a table."""


class State:
    """For one call at a time: `now` is its time, `log` its actions so far, `pending` the events
    that it leaves for the parts above. `random` gives numbers from 0 to below 1.

    `backlog` are the events left for later calls, since all at once would take too long. They are
    not in the journal: `resume` finds them in the rows."""

    def __init__(
        self, graph: Graph, settings: ManagerSettings, random: Callable[[], float]
    ) -> None:
        self.store = Store()
        self.graph = graph
        self.settings = settings
        self.random = random
        self.now = 0.0
        self.pending: deque[Event] = deque()
        self.backlog: dict[Event, None] = {}

    @property
    def log(self) -> list[Action]:
        """The actions of this call; records stand before the messages that depend on them."""
        return self.store.log

    def begin(self, now: float) -> None:
        """A call begins."""
        self.now = now
        self.store.log = []

    def service(self, name: str) -> GraphService | None:
        """A vertex of the graph."""
        return self.graph.services.get(name)

    def is_gateway(self, name: str) -> bool:
        """True for the entry for users: its users are no sessions, so that they are not seen."""
        service = self.service(name)
        return service is not None and service.kind == "gateway"

    def desired(self, name: str) -> DesiredState:
        """What is wanted of a service; nothing of one that is not in the graph."""
        found = self.store.desired.get(name)
        if found:
            return found
        service = self.service(name)
        if service is None:
            return DesiredState(name, 0, name)
        target = service.replicas.least if service.start == EAGER else 0
        return DesiredState(name, target, service.program or name)

    def tell(self, peer: str, message: ssmmp.SsmmpMessage) -> None:
        """Send a message on a connection; without one it is counted."""
        if not peer:
            self.count("told.nobody")
            return
        self.log.append(Tell(peer, ssmmp.trimmed(message, self.edition(peer))))

    def edition(self, peer: str) -> ssmmp.Edition:
        """The edition in which a peer is spoken to."""
        key = self.store.agent_index.first(("peer", peer))
        old = key is not None and self.store.agents[key].address in self.settings.edition_1_1
        return ssmmp.Edition.V11 if old else ssmmp.Edition.BASE

    def connection(self, agent: str) -> str:
        """The connection of an agent, empty if it has none."""
        found = self.store.agents.get(agent)
        return found.peer if found else ""

    def close(self, peer: str, why: str) -> None:
        """Close a connection."""
        self.log.append(ClosePeer(peer, why))

    def count(self, name: str) -> None:
        """Count something that went unanswered."""
        self.log.append(Count(name))

    def notice(self, what: str, subject: object, detail: str = "") -> None:
        """Tell the operator."""
        self.log.append(Notice(what, str(subject), detail))

    def alarm(self, what: str, subject: object, detail: str = "") -> None:
        """Tell the operator of something that does not get better by itself."""
        self.log.append(Notice(what, str(subject), detail, alarm=True))

    def defer(self, event: Event) -> None:
        """Leave an event for a later `tick`; one that is left already is not left twice."""
        self.backlog[event] = None

    def changed(self) -> None:
        """Something happened that a step of an operation may wait for."""
        self.pending.append(Changed())


W = TypeVar("W", bound=TableRow)


class StoredRows(Generic[W]):
    """The rows of one table of the store, for the machine that walks their state table."""

    def __init__(self, state: State, rows: Mapping[Any, W]) -> None:
        self._state = state
        self._rows = rows

    def enter(self, row: W, rule: Rule, changes: Mapping[str, Any]) -> W:
        """Put a row into the next state of a rule. A state that is entered gets its deadline,
        unless the changes have one; a session that ends is dropped."""
        values = dict(changes)
        if rule.next != row.state:
            values.setdefault("deadline", rule.deadline(self._state.now, self._state.settings))
            values.update(state=rule.next, since=self._state.now)
        entered = replace(row, **values) if values else row
        if rule.next == SessionState.END:
            if row.key in self._rows:
                self._state.store.drop(entered)
        elif values:
            self._state.store.put(entered)
        return entered

    def current(self, row: W) -> W | None:
        """The row as the store has it."""
        return self._rows.get(row.key)

    def ignored(self, name: str) -> None:
        """Count an event that the table has no rule for."""
        self._state.count(name)
