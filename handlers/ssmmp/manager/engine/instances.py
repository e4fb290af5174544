"""The instance machine: what the effects of its table do, and what agents answer about instances.

It must never decide how many instances a service has, nor where one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from . import reasons
from .closing import Closing
from .events import (
    InstanceGone,
    InstanceLeaves,
    InstancePlaceable,
    InstanceServes,
    PortsReleased,
)
from .legacy_peers import LegacyPeers
from .rows import AgentRow, InstanceRow
from .state import State, StoredRows
from .tables import INSTANCE, LEAVING, LIVE, InstanceState

_GONE = (404,)
"""Answers besides 2xx that say that there is nothing left to stop."""

INSTANCES_AT_ONCE = 5
"""Instances of a lost agent that are given up in one call: each is replaced, its sessions end."""
_ASKED_AGAIN = 3
"""How often an instance that is still busy is asked to end before it is killed."""


class InstanceMachine:
    """`fire` takes one cell of the table for an instance."""

    def __init__(self, state: State, closing: Closing, legacy_peers: LegacyPeers) -> None:
        self.state = state
        self.store = state.store
        self.closing = closing
        self.legacy_peers = legacy_peers
        effects: dict[str, Callable[[InstanceRow], None]] = {
            "execute": self._execute,
            "find_place": lambda row: state.pending.append(InstancePlaceable(row.key)),
            "settle": lambda row: state.pending.append(InstanceGone(row)),
            "serve": self._serve,
            "release": self._release,
            "release_ended": self._release_ended,
            "kill": self._kill,
            "empty": self._empty,
            "end": self._end,
            "alarm": self._alarm,
            "close_far_ends": lambda row: closing.far_ends(row.key),
            "forget": self._forget,
        }
        rows = StoredRows(state, self.store.instances)
        self.machine = StateMachine(INSTANCE, effects, rows)

    def fire(self, key: int, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        if event == "place":
            changes["previous_state"] = InstanceState.PLANNED
        return self.machine.fire(self.store.instances[key], event, **changes)

    # What agents say

    def answered(self, row: InstanceRow, message: ssmmp.SsmmpMessage) -> bool:
        """The answer to a request about an instance; False if it does not wait for one of this
        type."""
        starting = row.state is InstanceState.STARTING
        stopping = row.state is InstanceState.STOPPING
        if message.type == "execution_response" and starting:
            self._executed(row, message)
        elif message.type == "graceful_shutdown_response" and stopping:
            self._ended(row, message)
        elif message.type == "hard_shutdown_response" and not starting and not stopping:
            self._killed(row, message)
        else:
            return False
        return True

    def _executed(self, row: InstanceRow, message: ssmmp.SsmmpMessage) -> None:
        if message.ok:
            self.fire(row.key, "ready", request=0, ran=self.state.now)
            return
        reason = reasons.told(message)
        self.fire(row.key, "refused", request=0, status=message.status, reason=reason)
        if message.status == 409:
            # The id is used there, and ids are never used twice: so it runs, but not as wanted.
            self.fire(row.key, "kill")

    def _ended(self, row: InstanceRow, message: ssmmp.SsmmpMessage) -> None:
        if message.ok or message.status in _GONE:
            self.fire(row.key, "ended", request=0)
        elif message.status == 409 and row.tries < _ASKED_AGAIN:
            self.fire(row.key, "busy", request=0)
        else:
            self.fire(row.key, "unended", request=0, status=message.status)

    def _killed(self, row: InstanceRow, message: ssmmp.SsmmpMessage) -> None:
        if message.ok or message.status in _GONE:
            self.fire(row.key, "killed", request=0)
        else:
            self.fire(row.key, "unkilled", request=0, deadline=0.0)

    def left(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """service_instance_termination_info."""
        row = self.store.instances.get(message.number("service_instance_id"))
        if row is None or row.agent != agent.key:
            self.state.count("foreign.termination")
            return
        self.fire(row.key, "left", request=0)

    # What becomes of agents

    def agent_gone(self, agent: str) -> None:
        """An agent has no connection any more: nothing is known of what runs there."""
        self.closing.agent_gone(agent)
        for key in list(self.store.instance_index.of(("on", agent))):
            self._lost(self.store.instances[key])

    def agent_lost(self, agent: str) -> bool:
        """An agent does not come back in time: some of what ran there counts as ended now; False if
        nothing is left."""
        keys = list(self.store.instance_index.of(("on", agent)))
        for key in keys[:INSTANCES_AT_ONCE]:
            self.missing(self.store.instances[key])
        return bool(keys)

    def _lost(self, row: InstanceRow) -> None:
        if row.state is InstanceState.UNKNOWN:
            return
        if row.state in LIVE and row.state is not InstanceState.PLANNED:
            self.fire(row.key, "lost", previous_state=row.state, request=0, deadline=0.0)

    def back(self, row: InstanceRow) -> None:
        """Its agent is back and has it."""
        planned = InstanceState.PLANNED
        if row.previous_state not in LEAVING:
            ran = row.ran or self.state.now
            self.fire(row.key, "found", ran=ran, previous_state=planned)
            return
        self.fire(row.key, "found_leaving", previous_state=planned)
        if row.previous_state is InstanceState.KILLING:
            self.fire(row.key, "kill")

    def missing(self, row: InstanceRow) -> None:
        """Its agent is back without it, or lost."""
        wanted = row.previous_state not in LEAVING
        before = InstanceState.PLANNED if wanted else row.previous_state
        self.fire(row.key, "missing", previous_state=before, status=502)

    # What is wanted of it

    def drain(self, row: InstanceRow) -> bool:
        """It is to end gracefully; False if it is ending already."""
        if row.state is InstanceState.UNKNOWN and row.previous_state not in LEAVING:
            return self.fire(row.key, "drain", previous_state=InstanceState.DRAINING)
        return self.fire(row.key, "drain")

    def emptied(self, key: int) -> None:
        """No session is left that its drain waits for."""
        row = self.store.instances.get(key)
        if row and row.state is InstanceState.DRAINING:
            self.fire(key, "emptied")

    def kill(self, row: InstanceRow) -> bool:
        """It is to be killed."""
        if row.state is InstanceState.UNKNOWN:
            return self.fire(row.key, "kill", previous_state=InstanceState.KILLING)
        return self.fire(row.key, "kill", tries=row.tries + 1)

    def expired(self, row: InstanceRow) -> None:
        """Its deadline has come; an idle one ends only if its service can spare it."""
        if row.state is InstanceState.RUNNING and not self._spare(row):
            self.store.put(replace(row, deadline=0.0))
            return
        rule = INSTANCE.rule(row.state, "timeout")
        stays = rule is None or rule.next == row.state
        changes: dict[str, Any] = {"deadline": 0.0} if stays else {}
        if row.state is InstanceState.STARTING:
            changes["status"] = 504
        self.fire(row.key, "timeout", **changes)

    def _spare(self, row: InstanceRow) -> bool:
        """True if its service has more instances than idleness must leave. Nothing would start a
        gateway again, so an idle one always stays."""
        service = self.state.service(row.service)
        if service is None or service.kind == "gateway":
            return False
        return self.store.instance_index.size(("staying", row.service)) > service.replicas.least

    def idle(self, key: int) -> None:
        """Its sessions have changed: the time without any starts or ends."""
        row = self.store.instances.get(key)
        service = self.state.service(row.service) if row else None
        if not row or not service or not service.idle_stop:
            return
        if row.state is not InstanceState.RUNNING:
            return
        index = self.store.session_index
        busy = index.size(("to", key)) or index.size(("from", key)) or index.size(("waits", key))
        deadline = 0.0 if busy else row.deadline or self.state.now + service.idle_stop
        if deadline != row.deadline:
            self.store.put(replace(row, deadline=deadline))

    # Effects

    def _execute(self, row: InstanceRow) -> None:
        service = self.state.graph.services[row.service]
        sockets = tuple(ssmmp.SocketEntry(*one) for one in row.sockets)
        plugs = tuple(ssmmp.PlugEntry(one.plug, one.service, one.socket) for one in service.plugs)
        self._tell(row, "execution_request", row.request, agent_network_address=row.address,
                   service_name=row.program, socket_configuration=sockets,
                   plug_configuration=plugs)  # fmt: skip

    def _serve(self, row: InstanceRow) -> None:
        self.idle(row.key)
        self.state.notice("running", row.key, f"{row.service} on {row.agent}")
        self.state.pending.append(InstanceServes(row.service))

    def _release(self, row: InstanceRow) -> None:
        self.store.put(replace(row, ports_reserved=False, request=0))
        if row.ports_reserved:
            self.state.pending.append(PortsReleased())

    def _forget(self, row: InstanceRow) -> None:
        self.store.drop(row)
        if row.ports_reserved:
            self.state.pending.append(PortsReleased())

    def _release_ended(self, row: InstanceRow) -> None:
        """Agents with extensions answer when the process has ended; others at once, so that the
        ports stay reserved until the row is forgotten."""
        agent = self.store.agents.get(row.agent)
        if agent and agent.extensions:
            self._release(row)

    def _kill(self, row: InstanceRow) -> None:
        if self.legacy_peers.limited(row.agent):
            self.state.notice("not killed", row.key, f"{row.service} on {row.agent}")
            self.fire(row.key, "killed", request=0)
            return
        request = self.store.next("message")
        self.store.put(replace(row, request=request))
        self._tell(row, "hard_shutdown_request", request, service_name=row.program)

    def _empty(self, row: InstanceRow) -> None:
        self.state.pending.append(InstanceLeaves(row.service))
        self.closing.begin(row.key)

    def _end(self, row: InstanceRow) -> None:
        request = self.store.next("message")
        self.store.put(replace(row, request=request, tries=row.tries + 1))
        self._tell(row, "graceful_shutdown_request", request, service_name=row.program)

    def _alarm(self, row: InstanceRow) -> None:
        self.state.alarm("cannot be killed", row.key, f"{row.service} on {row.agent}")

    def _tell(self, row: InstanceRow, type: str, id: int, **fields: ssmmp.FieldValue) -> None:
        peer = self.state.connection(row.agent)
        message = ssmmp.MANAGER_TO_AGENT.make(type, id, service_instance_id=row.key, **fields)
        self.state.tell(peer, message)
