"""What the machines of one Manager share: state, graph, settings, the time, the actions so far.

The machines find each other here. It must never know a rule of any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ccproxy.protocols import ssmmp

from ...graph import Graph, Service
from ...notices import Count, Notice
from ...state_table import Table
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

    def timer(self, table: Table, state: str) -> float:
        """The deadline of a state that is entered now, 0 = none."""
        name = table.timers.get(state)
        return self.now + getattr(self.settings, name) if name else 0.0

    def step(
        self, table: Table, row: Machined, event: str, **changes: Any
    ) -> tuple[str, ...] | None:
        """Take the cell of the table: the row is in its next state, and the effects are returned;
        None if there is no rule, which is counted."""
        rule = table.rule(row.state, event)
        if rule is None:
            self.count(f"ignored.{table.name}.{row.state}.{event}")
            return None
        if rule.next != row.state:
            changes.setdefault("deadline", self.timer(table, rule.next))
            changes.update(state=rule.next, since=self.now)
        if rule.next == SessionState.END:
            if row.key in self.store.sessions:
                self.store.drop(row)
        elif changes:
            self.store.put(replace(row, **changes))
        return rule.does

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
