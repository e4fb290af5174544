"""What the machines of one Manager share: state, graph, settings, the time, the actions so far.

The machines find each other here. It must never know a rule of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Rule

from ...graph import Graph, Service
from ...notices import Count, Notice
from .actions import Close, Tell
from .rows import Agent, Instance, Session
from .settings import Settings
from .store import Store
from .tables import SessionState

if TYPE_CHECKING:
    from .agents import Agents
    from .closing import Closing
    from .health import Health
    from .instances import Instances
    from .legacy_peers import Guests
    from .offers import Offers
    from .operations import Operations
    from .reconcile import Reconciler
    from .services import Services
    from .sessions import Sessions

Machined = Agent | Instance | Session


class Mesh:
    """One call at a time: `now` is its time, `store.log` its actions."""

    agents: Agents
    closing: Closing
    guests: Guests
    health: Health
    instances: Instances
    offers: Offers
    operations: Operations
    reconciler: Reconciler
    services: Services
    sessions: Sessions

    def __init__(self, graph: Graph, settings: Settings, random: Callable[[], float]) -> None:
        self.store = Store()
        self.graph = graph
        self.settings = settings
        self.random = random
        self.now = 0.0

    def service(self, name: str) -> Service | None:
        """A vertex of the graph."""
        return self.graph.services.get(name)

    def tell(self, peer: str, message: ssmmp.Message) -> None:
        """Send a message on a connection; without one it is counted."""
        if not peer:
            self.count("told.nobody")
            return
        self.store.log.append(Tell(peer, ssmmp.trimmed(message, self.edition(peer))))

    def edition(self, peer: str) -> ssmmp.Edition:
        """The edition a peer is spoken to in."""
        key = self.store.agent_index.first(("peer", peer))
        old = key is not None and self.store.agents[key].address in self.settings.edition_1_1
        return ssmmp.Edition.V11 if old else ssmmp.Edition.BASE

    def connection(self, agent: str) -> str:
        """The connection of an agent, empty if it has none."""
        found = self.store.agents.get(agent)
        return found.peer if found else ""

    def close(self, peer: str, why: str) -> None:
        """Close a connection."""
        self.store.log.append(Close(peer, why))

    def count(self, name: str) -> None:
        """Count something that went unanswered."""
        self.store.log.append(Count(name))

    def notice(self, what: str, subject: object, detail: str = "") -> None:
        """Tell the operator."""
        self.store.log.append(Notice(what, str(subject), detail))

    def alarm(self, what: str, subject: object, detail: str = "") -> None:
        """Tell the operator that something needs a hand."""
        self.store.log.append(Notice(what, str(subject), detail, alarm=True))


M = TypeVar("M", bound=Machined)


class StoredRows(Generic[M]):
    """The rows of one table of the store, for the machine that walks their state table."""

    def __init__(self, mesh: Mesh, rows: Mapping[Any, M]) -> None:
        self._mesh = mesh
        self._rows = rows

    def enter(self, row: M, rule: Rule, changes: Mapping[str, Any]) -> M:
        """The row is in the next state of the rule; in another one since now, and with the
        deadline of that state unless the changes have one. A session that ends is dropped."""
        values = dict(changes)
        if rule.next != row.state:
            values.setdefault("deadline", rule.deadline(self._mesh.now, self._mesh.settings))
            values.update(state=rule.next, since=self._mesh.now)
        entered = replace(row, **values) if values else row
        if rule.next == SessionState.END:
            if row.key in self._rows:
                self._mesh.store.drop(entered)
        elif values:
            self._mesh.store.put(entered)
        return entered

    def current(self, row: M) -> M | None:
        """The row as the store has it."""
        return self._rows.get(row.key)

    def ignored(self, name: str) -> None:
        """Count an event that the table has no rule for."""
        self._mesh.count(name)
