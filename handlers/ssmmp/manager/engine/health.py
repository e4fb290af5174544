"""Health of instances as their agents report it, and of agents that answer probes.

`heard` is when each connection last said anything; like the time of the next probe it belongs to
the connections, not to the state that the journal holds. It must never change the state of an
instance or an agent itself: their machines do.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from . import reasons
from .events import AgentSilent
from .instances import InstanceMachine
from .offers import Offers
from .rows import AgentRow, InstanceRow
from .state import State
from .tables import LIVE, InstanceState

_DEAD = 502
"""The report that says that the process has ended."""
_PROBES = 3
"""An agent that has answered none of so many probes is not probed any more."""
_REPEATED = (500, 504)
"""Reports that mean a broken instance only when they are repeated."""


class Health:
    """Of instances: reports. Of agents: probes, and silence."""

    def __init__(self, state: State, instances: InstanceMachine, offers: Offers) -> None:
        self.state = state
        self.store = state.store
        self.instances = instances
        self.offers = offers
        self.heard: dict[str, float] = {}
        self.next_probe = 0.0
        self._unanswered: dict[str, int] = {}

    def reported(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """health_control_response, or service_instance_health_response."""
        row = self.store.instances.get(message.number("service_instance_id"))
        if row is None or row.agent != agent.key:
            self.state.count("foreign.health")
            return
        status = message.status
        if status == _DEAD:
            reason = reasons.told(message)
            self.instances.fire(row.key, "died", status=status, request=0, reason=reason)
            return
        if row.state not in LIVE or row.state is InstanceState.PLANNED:
            self.state.count("late.health")
            return
        misses = row.misses + 1 if status in _REPEATED else 0
        if misses >= self.state.settings.misses:
            self.instances.fire(row.key, "sick", status=status, misses=misses, request=0)
            return
        if (status, misses) != (row.health, row.misses):
            self.store.put(replace(row, health=status, misses=misses))
            self._recovered(row, status)

    def _recovered(self, row: InstanceRow, status: int) -> None:
        if 200 <= status < 300 and row.health and not 200 <= row.health < 300:
            self.state.notice("recovered", row.key, f"status {status}")
            self.offers.answer_waiting(row.service)
        elif not 200 <= status < 300:
            self.state.notice("unwell", row.key, f"status {status}")

    def ask(self, instance: int) -> None:
        """Ask an agent about an instance that a client could not reach."""
        row = self.store.instances.get(instance)
        agent = self.store.agents.get(row.agent) if row else None
        if row is None or agent is None or not self._extended(agent):
            return
        self.state.tell(
            agent.peer,
            ssmmp.MANAGER_TO_AGENT.make(
                "service_instance_health_request", self.store.next("message"),
                service_instance_id=row.key, service_instance_network_address=row.address,
            ),
        )  # fmt: skip

    def _extended(self, agent: AgentRow) -> bool:
        """True for connected agents that know what is not in the base edition."""
        if not agent.peer:
            return False
        return agent.extensions or self.state.edition(agent.peer) is ssmmp.Edition.V11

    def forget(self, peer: str) -> None:
        """A connection has ended."""
        self.heard.pop(peer, None)
        self._unanswered.pop(peer, None)

    def answered(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """agent_health_control_response: from now on its silence means something."""
        self._unanswered.pop(agent.peer, None)
        if not agent.watched:
            self.store.put(replace(agent, watched=True))

    def tick(self) -> None:
        """Probe the agents that may answer, and close the connections of those that are silent."""
        if self.state.now < self.next_probe:
            return
        self.next_probe = self.state.now + self.state.settings.health_interval
        for agent in self.store.agents.values():
            if self._extended(agent):
                self._probe(agent)

    def _probe(self, agent: AgentRow) -> None:
        silent = self.state.now - self.heard.get(agent.peer, self.state.now)
        if agent.watched and silent >= self.state.settings.agent_silence:
            self.state.close(agent.peer, f"silent for {silent:.0f} s")
            self.state.pending.append(AgentSilent(agent.peer))
            return
        sent = self._unanswered.get(agent.peer, 0)
        if sent >= _PROBES and not agent.watched:
            return
        self._unanswered[agent.peer] = sent + 1
        self.state.tell(
            agent.peer,
            ssmmp.MANAGER_TO_AGENT.make(
                "agent_health_control_request", self.store.next("message"),
                agent_network_address=agent.address,
            ),
        )  # fmt: skip
