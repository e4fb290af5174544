"""What follows from a restart of the Manager: no agent has a connection, every time starts anew.

It must never start or end anything itself: the parts below it do.
"""

from __future__ import annotations

from dataclasses import replace

from .agents import AgentMachine
from .events import AgentLost, ServiceUnbalanced, SessionsOrphaned
from .operations import Operations
from .rows import AgentRow, InstanceRow, SessionRow
from .services import Services
from .state import State, TableRow
from .tables import AGENT, ENDED, INSTANCE, SESSION, AgentState, InstanceState


class Restart:
    """`resume` is called once, before anything else."""

    def __init__(
        self, state: State, services: Services, agents: AgentMachine, operations: Operations
    ) -> None:
        self.state = state
        self.store = state.store
        self.services = services
        self.agents = agents
        self.operations = operations

    def resume(self) -> None:
        """Take up a restored state."""
        store, settings, now = self.store, self.state.settings, self.state.now
        self.agents.health.next_probe = now
        for agent in list(store.agents.values()):
            if agent.peer:
                self.agents.gone(agent.peer)
        rows: list[TableRow] = [*store.agents.values(), *store.instances.values()]
        for row in [*rows, *store.sessions.values()]:
            self._restart_timer(row)
        for operation in list(store.operations.values()):
            if operation.deadline:
                store.put(replace(operation, deadline=now + 1))
        for failed in list(store.failures.values()):
            until = min(failed.until, now + settings.backoff_most)
            store.put(replace(failed, until=until, deadline=now + settings.restart_window))
        self._defer_again()
        self.operations.changed()
        self.services.balance_all()

    def _defer_again(self) -> None:
        """What had been deferred before the restart is found in the rows."""
        size = self.store.session_index.size
        for agent in self.store.agents.values():
            if agent.state is AgentState.LOST:
                self.state.defer(AgentLost(agent.key))
        for desired in self.store.desired.values():
            if desired.down:
                self.state.defer(ServiceUnbalanced(desired.key))
        for row in self.store.instances.values():
            if row.state in ENDED and (size(("from", row.key)) or size(("to", row.key))):
                self.state.defer(SessionsOrphaned(row.key))

    def _restart_timer(self, row: TableRow) -> None:
        """A deadline of the clock before the restart says nothing now."""
        tables = {AgentRow: AGENT, InstanceRow: INSTANCE, SessionRow: SESSION}
        timer = tables[type(row)].timers.get(row.state) if row.deadline else None
        deadline = self.state.now + getattr(self.state.settings, timer) if timer else 0.0
        if isinstance(row, InstanceRow) and row.state is InstanceState.PLANNED:
            deadline = self.state.now
        if deadline != row.deadline:
            self.store.put(replace(row, deadline=deadline))
