"""The instance machine: what the table's effects do, and the answers of agents about instances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from .rows import Instance
from .state import Mesh, StoredRows
from .tables import INSTANCE, LEAVING, LIVE, InstanceState

_GONE = (404,)
"""Answers besides 2xx that say that there is nothing left to stop."""

_ASKED_AGAIN = 3
"""How often an instance that is still busy is asked to end before it is killed."""


class Instances:
    """`fire` takes one cell of the table for an instance."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        effects: dict[str, Callable[[Instance], None]] = {
            "execute": self._execute,
            "find_place": mesh.services.find_place,
            "settle": mesh.services.settle,
            "serve": self._serve,
            "release": self._release,
            "release_ended": self._release_ended,
            "kill": self._kill,
            "empty": self._empty,
            "end": self._end,
            "alarm": self._alarm,
            "close_far_ends": self._close_far_ends,
            "forget": self._forget,
        }
        self.machine = StateMachine(INSTANCE, effects, StoredRows(mesh, mesh.store.instances))

    def fire(self, key: int, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        row = self.mesh.store.instances[key]
        if event == "place":
            changes["was"] = InstanceState.PLANNED
        return self.machine.fire(row, event, **changes)

    def executed(self, row: Instance, message: ssmmp.Message) -> None:
        """execution_response."""
        if message.ok:
            self.fire(row.key, "ready", request=0, ran=self.mesh.now)
            return
        self.fire(row.key, "refused", request=0, status=message.status)
        if message.status == 409:
            # The id is used there, and ids are never used twice: so it runs, but not as wanted.
            self.fire(row.key, "kill")

    def ended(self, row: Instance, message: ssmmp.Message) -> None:
        """graceful_shutdown_response."""
        if message.ok or message.status in _GONE:
            self.fire(row.key, "ended", request=0)
        elif message.status == 409 and row.tries < _ASKED_AGAIN:
            self.fire(row.key, "busy", request=0)
        else:
            self.fire(row.key, "unended", request=0, status=message.status)

    def killed(self, row: Instance, message: ssmmp.Message) -> None:
        """hard_shutdown_response."""
        if message.ok or message.status in _GONE:
            self.fire(row.key, "killed", request=0)
        else:
            self.fire(row.key, "unkilled", request=0, deadline=0.0)

    def lost(self, row: Instance) -> None:
        """Its agent is SUSPECT: remember what it was doing."""
        if row.state is InstanceState.UNKNOWN:
            return
        if row.state in LIVE and row.state is not InstanceState.PLANNED:
            self.fire(row.key, "lost", was=row.state, request=0, deadline=0.0)

    def back(self, row: Instance) -> None:
        """Its agent is back and has it."""
        if row.was not in LEAVING:
            ran = row.ran or self.mesh.now
            self.fire(row.key, "found", ran=ran, was=InstanceState.PLANNED)
            return
        self.fire(row.key, "found_leaving", was=InstanceState.PLANNED)
        if row.was is InstanceState.KILLING:
            self.fire(row.key, "kill")

    def missing(self, row: Instance) -> None:
        """Its agent is back without it, or lost."""
        wanted = row.was not in LEAVING
        was = InstanceState.PLANNED if wanted else row.was
        self.fire(row.key, "missing", was=was, status=502)

    def drain(self, row: Instance) -> bool:
        """It is to end gracefully; False if it is ending already."""
        if row.state is InstanceState.UNKNOWN and row.was not in LEAVING:
            return self.fire(row.key, "drain", was=InstanceState.DRAINING)
        return self.fire(row.key, "drain")

    def kill(self, row: Instance) -> bool:
        """It is to be killed."""
        if row.state is InstanceState.UNKNOWN:
            return self.fire(row.key, "kill", was=InstanceState.KILLING)
        return self.fire(row.key, "kill", tries=row.tries + 1)

    def expired(self, row: Instance) -> None:
        """Its deadline has come; an idle one ends only if its service can spare it."""
        if row.state is InstanceState.RUNNING and not self.mesh.services.surplus(row):
            self.mesh.store.put(replace(row, deadline=0.0))
            return
        rule = INSTANCE.rule(row.state, "timeout")
        stays = rule is None or rule.next == row.state
        changes: dict[str, Any] = {"deadline": 0.0} if stays else {}
        if row.state is InstanceState.STARTING:
            changes["status"] = 504
        self.fire(row.key, "timeout", **changes)

    def idle(self, key: int) -> None:
        """Its sessions have changed: the time without any starts or ends."""
        row = self.mesh.store.instances.get(key)
        service = self.mesh.service(row.service) if row else None
        if not row or not service or not service.idle_stop:
            return
        if row.state is not InstanceState.RUNNING:
            return
        index = self.mesh.store.session_index
        busy = index.size(("to", key)) or index.size(("from", key)) or index.size(("waits", key))
        deadline = 0.0 if busy else row.deadline or self.mesh.now + service.idle_stop
        if deadline != row.deadline:
            self.mesh.store.put(replace(row, deadline=deadline))

    def _execute(self, row: Instance) -> None:
        service = self.mesh.graph.services[row.service]
        sockets = tuple(ssmmp.SocketEntry(*one) for one in row.sockets)
        plugs = tuple(ssmmp.PlugEntry(one.plug, one.service, one.socket) for one in service.plugs)
        self._tell(row, "execution_request", row.request, agent_network_address=row.address,
                   service_name=row.program, socket_configuration=sockets,
                   plug_configuration=plugs)  # fmt: skip

    def _serve(self, row: Instance) -> None:
        self.idle(row.key)
        self.mesh.notice("running", row.key, f"{row.service} on {row.agent}")
        self.mesh.offers.answer_waiting(row.service)
        self.mesh.operations.changed()

    def _release(self, row: Instance) -> None:
        self.mesh.store.put(replace(row, held=False, request=0))

    def _release_ended(self, row: Instance) -> None:
        """Agents with extensions answer when the process has ended; others at once, so that the
        ports stay reserved until the row is forgotten."""
        agent = self.mesh.store.agents.get(row.agent)
        if agent and agent.extensions:
            self._release(row)

    def _kill(self, row: Instance) -> None:
        if self.mesh.guests.limited(row.agent):
            self.mesh.notice("not killed", row.key, f"{row.service} on {row.agent}")
            self.fire(row.key, "killed", request=0)
            return
        request = self.mesh.store.next("message")
        self.mesh.store.put(replace(row, request=request))
        self._tell(row, "hard_shutdown_request", request, service_name=row.program)

    def _empty(self, row: Instance) -> None:
        self.mesh.operations.changed()
        self.mesh.services.balance(row.service)
        self.mesh.closing.begin(row.key)

    def _end(self, row: Instance) -> None:
        request = self.mesh.store.next("message")
        self.mesh.store.put(replace(row, request=request, tries=row.tries + 1))
        self._tell(row, "graceful_shutdown_request", request, service_name=row.program)

    def _alarm(self, row: Instance) -> None:
        self.mesh.alarm("cannot be killed", row.key, f"{row.service} on {row.agent}")

    def _close_far_ends(self, row: Instance) -> None:
        self.mesh.closing.far_ends(row.key)

    def _forget(self, row: Instance) -> None:
        self.mesh.store.drop(row)

    def _tell(self, row: Instance, type: str, id: int, **fields: ssmmp.FieldValue) -> None:
        peer = self.mesh.connection(row.agent)
        message = ssmmp.MANAGER_TO_AGENT.make(type, id, service_instance_id=row.key, **fields)
        self.mesh.tell(peer, message)
