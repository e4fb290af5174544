"""The agent machine: registration, identity, drain, loss and return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from .rows import Agent
from .state import Mesh, StoredRows
from .tables import AGENT, AgentState


class Agents:
    """`fire` takes one cell of the table for an agent."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        effects: dict[str, Callable[[Agent], None]] = {
            "welcome_again": self._welcome_again,
            "use": self._use,
            "doubt": self._doubt,
            "lose": self._lose,
            "forget": self._forget,
            "reconcile": lambda row: mesh.reconciler.returned(row, self._message),
        }
        self.machine = StateMachine(AGENT, effects, StoredRows(mesh, mesh.store.agents))
        self._message = ssmmp.Message("", 0)
        """The registration that is being handled."""

    def of(self, peer: str) -> Agent | None:
        """The agent on a connection."""
        key = self.mesh.store.agent_index.first(("peer", peer))
        return None if key is None else self.mesh.store.agents[key]

    def fire(self, key: str, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(self.mesh.store.agents[key], event, **changes)

    def registered(self, peer: str, message: ssmmp.Message) -> None:
        """initiation_request."""
        self._message = message
        repository = tuple(message.items("service_repository"))
        changes = {"repository": repository, "extensions": message.extra("x_ssmmp") is not None}
        known = self.of(peer)
        if known:
            self.fire(known.key, "register", **changes)
            return
        if not set(repository) & self._programs():
            self.welcome(peer, 422)
            return
        row = self._returning(peer, message, repository)
        if row is None:
            return
        if row.key in self.mesh.store.agents:
            self.fire(row.key, "return", peer=peer, watched=False, **changes)
            self._drain_on(row.key)
            return
        self.mesh.store.put(replace(row, extensions=changes["extensions"] is True))
        self.mesh.notice("registered", row.key, ", ".join(repository))
        self.mesh.reconciler.returned(row, message)
        self._use(row)

    def _programs(self) -> set[str]:
        """Programs that some service of the graph runs."""
        return {self.mesh.services.goal(name).program for name in self.mesh.graph.services}

    def _returning(
        self, peer: str, message: ssmmp.Message, repository: tuple[str, ...]
    ) -> Agent | None:
        """The row of an agent that is new or back; None if it was refused."""
        address = message.text("agent_network_address")
        node = message.extra("x_node") or ""
        store = self.mesh.store
        same = [store.agents[key] for key in store.agent_index.of(("address", address))]
        same = [one for one in same if one.node == node]
        away = [one for one in same if not one.peer]
        if away:
            return next((one for one in away if one.repository == repository), away[0])
        if same and node:
            self.mesh.count("agent.duplicate")
            self.mesh.notice("refused", f"{address}/{node}", "another live agent is this node")
            self.welcome(peer, 409)
            self.mesh.close(peer, "another live agent has this identity")
            return None
        key = self._key(address, node)
        return Agent(
            key, address, node, peer, AgentState.REGISTERED, repository, since=self.mesh.now
        )

    def _key(self, address: str, node: str) -> str:
        base = f"{address}/{node}" if node else address
        key, number = base, 1
        while key in self.mesh.store.agents:
            number += 1
            key = f"{base}#{number}"
        return key

    def welcome(self, peer: str, status: int) -> None:
        """initiation_response."""
        made = ssmmp.MANAGER_TO_AGENT.make("initiation_response", self._message.id, status=status)
        self.mesh.tell(peer, made)

    def gone(self, peer: str) -> None:
        """A connection has ended."""
        self.mesh.health.forget(peer)
        row = self.of(peer)
        if row:
            self.fire(row.key, "gone", peer="", watched=False)

    def drain(self, row: Agent) -> None:
        """No new instances there from now on."""
        self.mesh.store.put(replace(row, draining=True))
        self._drain_on(row.key)

    def _drain_on(self, key: str) -> None:
        row = self.mesh.store.agents[key]
        if row.draining and row.state is AgentState.REGISTERED:
            self.fire(key, "drain")
        self.check_empty(key)

    def undrain(self, row: Agent) -> None:
        """New instances may run there again."""
        self.mesh.store.put(replace(row, draining=False))
        if row.state in (AgentState.DRAINING, AgentState.DRAINED):
            self.fire(row.key, "undrain")

    def check_empty(self, key: str) -> None:
        """A draining agent on which nothing runs is drained."""
        row = self.mesh.store.agents.get(key)
        if row and row.state is AgentState.DRAINING:
            if self.mesh.store.instance_index.size(("on", key)):
                return
            self.fire(key, "emptied")
            self.mesh.notice("drained", key)

    def expired(self, row: Agent) -> None:
        """Its deadline has come."""
        self.fire(row.key, "timeout")

    def _welcome_again(self, row: Agent) -> None:
        self.welcome(row.peer, 208)

    def _use(self, row: Agent) -> None:
        current = self.mesh.store.agents[row.key]
        if current.draining or current.state is not AgentState.REGISTERED:
            return
        for goal in list(self.mesh.store.goals.values()):
            if goal.broken and goal.program in row.repository:
                self.mesh.services.change(goal.key, broken="")
        self.mesh.services.use(row.repository)

    def _doubt(self, row: Agent) -> None:
        self.mesh.notice("suspect", row.key, "its connection has ended")
        self.mesh.closing.agent_gone(row.key)
        for key in list(self.mesh.store.instance_index.of(("on", row.key))):
            self.mesh.instances.lost(self.mesh.store.instances[key])
        self.mesh.operations.changed()

    def _lose(self, row: Agent) -> None:
        self.mesh.alarm("lost", row.key, f"away for {self.mesh.settings.agent_lost:g} s")
        for key in list(self.mesh.store.instance_index.of(("on", row.key))):
            self.mesh.instances.missing(self.mesh.store.instances[key])
        for name in self.mesh.graph.services:
            if not self.mesh.services.possible(name):
                self.mesh.offers.refuse_waiting(name, 503)

    def _forget(self, row: Agent) -> None:
        if not self.mesh.store.instance_index.size(("held", row.key)):
            self.mesh.store.drop(row)
