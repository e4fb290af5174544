"""The agent machine: registration, identity, drain, loss and return.

It must never compare what an agent says it runs with what is known: that is `reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from .alarms import LOST
from .events import AgentLost, AgentUsable
from .health import Health
from .instances import InstanceMachine
from .reconcile import Reconciler
from .rows import AgentRow
from .services import Services
from .state import State, StoredRows
from .tables import AGENT, AgentState


class AgentMachine:
    """`fire` takes one cell of the table for an agent."""

    def __init__(
        self,
        state: State,
        instances: InstanceMachine,
        services: Services,
        health: Health,
        reconciler: Reconciler,
    ) -> None:
        self.state = state
        self.store = state.store
        self.instances = instances
        self.services = services
        self.alarms = services.alarms
        self.health = health
        self.reconciler = reconciler
        effects: dict[str, Callable[[AgentRow], None]] = {
            "welcome_again": self._welcome_again,
            "use": lambda row: state.pending.append(AgentUsable(row.key)),
            "doubt": self._doubt,
            "lose": self._lose,
            "forget": self._forget,
            "reconcile": self._reconcile,
        }
        self.machine = StateMachine(AGENT, effects, StoredRows(state, self.store.agents))
        self._registration = ssmmp.SsmmpMessage("", 0)
        """The initiation_request that is being handled."""

    def of(self, peer: str) -> AgentRow | None:
        """The agent on a connection."""
        key = self.store.agent_index.first(("peer", peer))
        return None if key is None else self.store.agents[key]

    def fire(self, key: str, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(self.store.agents[key], event, **changes)

    # Registration

    def registered(self, peer: str, message: ssmmp.SsmmpMessage) -> None:
        """initiation_request."""
        self._registration = message
        repository = tuple(message.items("service_repository"))
        extensions = message.extra("x_ssmmp") is not None
        changes: dict[str, Any] = {"repository": repository, "extensions": extensions}
        known = self.of(peer)
        if known:
            self.fire(known.key, "register", **changes)
            return
        if not set(repository) & self._programs():
            self._welcome(peer, 422)
            return
        row = self._new_or_away(peer, message, repository)
        if row is None:
            return
        if row.key in self.store.agents:
            self.fire(row.key, "return", peer=peer, watched=False, **changes)
            self._drain_on(row.key)
            return
        self.store.put(replace(row, extensions=extensions))
        self.state.notice("registered", row.key, ", ".join(repository))
        self.reconciler.returned(row, message)
        self.state.pending.append(AgentUsable(row.key))

    def _programs(self) -> set[str]:
        """Programs that some service of the graph runs."""
        return {self.state.desired(name).program for name in self.state.graph.services}

    def _new_or_away(
        self, peer: str, message: ssmmp.SsmmpMessage, repository: tuple[str, ...]
    ) -> AgentRow | None:
        """The row of an agent that is new or back; None if it was refused."""
        address = message.text("agent_network_address")
        node = message.extra("x_node") or ""
        agents = self.store.agents
        same = [agents[key] for key in self.store.agent_index.of(("address", address))]
        same = [one for one in same if one.node == node]
        away = [one for one in same if not one.peer]
        if away:
            return next((one for one in away if one.repository == repository), away[0])
        if same and node:
            self.state.count("agent.duplicate")
            self.state.notice("refused", f"{address}/{node}", "another live agent is this node")
            self._welcome(peer, 409)
            self.state.close(peer, "another live agent has this identity")
            return None
        return AgentRow(
            self._key(address, node), address, node, peer, AgentState.REGISTERED, repository,
            since=self.state.now,
        )  # fmt: skip

    def _key(self, address: str, node: str) -> str:
        base = f"{address}/{node}" if node else address
        key, number = base, 1
        while key in self.store.agents:
            number += 1
            key = f"{base}#{number}"
        return key

    def _welcome(self, peer: str, status: int) -> None:
        self.reconciler.welcome(peer, self._registration, status)

    def gone(self, peer: str) -> None:
        """A connection has ended."""
        self.health.forget(peer)
        row = self.of(peer)
        if row:
            self.fire(row.key, "gone", peer="", watched=False)

    def use(self, key: str) -> None:
        """Run on an agent what it can run, if it takes instances."""
        row = self.store.agents.get(key)
        if row and not row.draining and row.state is AgentState.REGISTERED:
            self.services.use(row)

    # Drain

    def drain(self, row: AgentRow) -> None:
        """No new instances there from now on."""
        self.store.put(replace(row, draining=True))
        self._drain_on(row.key)

    def _drain_on(self, key: str) -> None:
        row = self.store.agents[key]
        if row.draining and row.state is AgentState.REGISTERED:
            self.fire(key, "drain")
        self.check_empty(key)

    def undrain(self, row: AgentRow) -> None:
        """New instances may run there again."""
        self.store.put(replace(row, draining=False))
        if row.state in (AgentState.DRAINING, AgentState.DRAINED):
            self.fire(row.key, "undrain")

    def check_empty(self, key: str) -> None:
        """A draining agent on which nothing runs is drained."""
        row = self.store.agents.get(key)
        if row and row.state is AgentState.DRAINING:
            if self.store.instance_index.size(("on", key)):
                return
            self.fire(key, "emptied")
            self.state.notice("drained", key)

    # Effects

    def _welcome_again(self, row: AgentRow) -> None:
        self._welcome(row.peer, 208)

    def _doubt(self, row: AgentRow) -> None:
        self.state.notice("suspect", row.key, "its connection has ended")
        self.instances.agent_gone(row.key)
        self.state.changed()

    def _lose(self, row: AgentRow) -> None:
        self.alarms.begin(LOST, row.key, f"away for {self.state.settings.agent_lost:g} s")
        self.state.defer(AgentLost(row.key))

    def lose_some(self, key: str) -> None:
        """What ran on an agent that is lost counts as ended, some at a time; then requests do not
        wait any more for what only it could run."""
        row = self.store.agents.get(key)
        if row is None or row.state is not AgentState.LOST:
            return
        if self.instances.agent_lost(key):
            self.state.defer(AgentLost(key))
            return
        self.services.refuse_impossible()

    def _forget(self, row: AgentRow) -> None:
        if not self.store.instance_index.size(("ports reserved", row.key)):
            self.store.drop(row)
            self.alarms.end(LOST, row.key)

    def _reconcile(self, row: AgentRow) -> None:
        self.alarms.end(LOST, row.key)
        self.reconciler.returned(row, self._registration)
