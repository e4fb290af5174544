"""Session requests: what an instance may ask for, and whether it is offered, waits, or is refused.

It must never start an instance: that a request waits for one, it says with an event.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.protocols import ssmmp

from ...graph import Edge, GraphService
from .events import RequestsWait, ServiceImpossible, SessionOffered, SessionWaits
from .instances import InstanceMachine
from .placement import Placement
from .rows import AgentRow, InstanceRow, SessionRow
from .sessions import SessionMachine
from .state import State
from .tables import LIVE, InstanceState, SessionState

REQUESTS_AT_ONCE = 50
"""Requests for a service that are answered in one call."""
MAX_UNACKED = 10_000
"""Sessions of a plug of one instance that were offered and not acknowledged: each is remembered for
`unconfirmed`, so that an instance that never acknowledges would fill the memory."""
MAX_HELD = 1000
"""Requests of one instance that may be held because their message id is pending."""


class Offers:
    """`_last` is the instance offered last, by service: a hint for round-robin, not state. `_held`
    are the requests of instances that used a message id again before they acknowledged the session
    for which they used it first: two sessions with one id could not be told apart until the ack.
    They last as long as the connection of their agent does, and are not journalled."""

    def __init__(
        self,
        state: State,
        placement: Placement,
        sessions: SessionMachine,
        instances: InstanceMachine,
    ) -> None:
        self.state = state
        self.store = state.store
        self.placement = placement
        self.sessions = sessions
        self.instances = instances
        self._last: dict[str, int] = {}
        self._held: dict[int, list[tuple[str, ssmmp.SsmmpMessage]]] = {}

    def on_session_request(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """session_request."""
        source = self.store.instances.get(message.number("source_service_instance_id"))
        row = self._row(agent, source, message)
        if self._repeated(row):
            return
        status = self._refusal(row, source, message)
        if status:
            self.sessions.refuse(row, status)
            return
        if self.store.session_index.size(("pending", row.agent, row.message)):
            self._held.setdefault(row.source, []).append((agent.peer, message))
            return
        dest = self._choose(row)
        if dest:
            self._offer(row, dest)
            return
        self._wait(row)

    def repeat_held(self, source: int) -> None:
        """A session of this instance is pending no more: take up the requests that were held."""
        for peer, message in self._held.pop(source, ()):
            key = self.store.agent_index.first(("peer", peer))
            if key is not None:
                self.on_session_request(self.store.agents[key], message)

    def _row(
        self, agent: AgentRow, source: InstanceRow | None, message: ssmmp.SsmmpMessage
    ) -> SessionRow:
        return SessionRow(
            key=0,
            source=message.number("source_service_instance_id"),
            source_service=source.service if source else "",
            agent=agent.key,
            message=message.id,
            plug=message.text("source_plug_name"),
            service=message.text("dest_service_name"),
            socket=message.text("dest_socket_name"),
            state=SessionState.REQUESTED,
            from_address=source.address if source else "",
            since=self.state.now,
        )

    def _repeated(self, row: SessionRow) -> bool:
        """True if this very request is pending already. An offer is made again; a request that
        waits gets its answer when it is due. An offer that was not acknowledged in time is no
        answer any more: the request is a new one."""
        pending = self.store.session_index.first(("pending", row.agent, row.message))
        old = self.store.sessions[pending] if pending is not None else None
        if old is None or old.state not in (SessionState.WAITING, SessionState.OFFERED):
            return False
        if _request_key(old) != _request_key(row):
            return False
        self.state.count("repeated.session_request")
        if old.state is SessionState.OFFERED:
            self.sessions.answer(old)
        return True

    # Refusals

    def _refusal(
        self, row: SessionRow, source: InstanceRow | None, message: ssmmp.SsmmpMessage
    ) -> int:
        """The status of the refusal, 0 if the request is in order."""
        if source is None or source.agent != row.agent or source.state not in LIVE:
            self.state.count("foreign.session_request")
            return 403
        if message.text("source_service_name") not in (source.service, source.program):
            return 403
        pending = self.store.session_index.of(("pending", row.agent, row.message))
        if any(self.store.sessions[key].source != row.source for key in pending):
            return 409
        if len(self._held.get(row.source, ())) >= MAX_HELD:
            return 429
        unacked = ("unacked from", row.source, row.plug)
        if self.store.session_index.size(unacked) >= MAX_UNACKED:
            return 429
        if self._leaving(source):
            return 410
        return self._edge_refusal(row)

    def _leaving(self, source: InstanceRow) -> bool:
        """A draining instance may ask as long as others use it: it may need its storage. Users of
        a gateway are not known here: it may ask for them until it has ended."""
        if self.state.is_gateway(source.service):
            return False
        if source.state is InstanceState.DRAINING:
            return not self.store.session_index.size(("to", source.key))
        return source.state in (InstanceState.STOPPING, InstanceState.KILLING)

    def _edge_refusal(self, row: SessionRow) -> int:
        dest = self.state.service(row.service)
        if dest is None or dest.socket(row.socket) is None:
            return 404
        source = self.state.service(row.source_service)
        edge = source.plug(row.plug) if source else None
        if source is None or edge != Edge(row.plug, row.service, row.socket):
            # Only names of the graph make counters, so that no client can invent them without end.
            name = f".{row.source_service}.{row.plug}" if edge else ""
            self.state.count(f"edge.refused{name}")
            return 403
        size = self.store.session_index.size
        open_ = size(("edge", row.source_service, row.plug))
        if source.max_sessions and open_ >= source.max_sessions:
            return 429
        return 503 if size(("waiting", row.service)) >= self.state.settings.max_waiting else 0

    # Offering and waiting

    def _offer(self, row: SessionRow, dest: InstanceRow) -> None:
        """Send the asker to an instance."""
        port = dict(dest.sockets).get(row.socket, 0)
        key = row.key or self.store.next("session")
        self.sessions.fire(
            row, "offer", key=key, dest=dest.key, to_address=dest.address, to_port=port, status=200
        )
        self.instances.idle(dest.key)
        self.state.pending.append(SessionOffered(dest.service))

    def _wait(self, row: SessionRow) -> None:
        if not self.placement.possible(row.service):
            self.sessions.refuse(row, 503)
            return
        self.sessions.fire(row, "wait", key=self.store.next("session"))
        self.state.pending.append(SessionWaits(row.service))

    def refuse_waiting(self, service: str, status: int) -> None:
        """Nothing will serve the requests that wait for a service; some are refused now, and the
        others later."""
        self.sessions.refuse_waiting(("waiting", service), status, REQUESTS_AT_ONCE)
        if self.store.session_index.size(("waiting", service)):
            self.state.defer(ServiceImpossible(service))

    def answer_waiting(self, service: str) -> None:
        """An instance of the service is ready: offer it to the requests that wait, oldest first;
        to some now, and to the others later."""
        keys = list(self.store.session_index.of(("waiting", service)))
        if len(keys) > REQUESTS_AT_ONCE:
            self.state.defer(RequestsWait(service))
        for key in keys[:REQUESTS_AT_ONCE]:
            row = self.store.sessions[key]
            dest = self._choose(row)
            if dest is None:
                return
            self._offer(row, dest)

    # Choosing

    def _choose(self, row: SessionRow) -> InstanceRow | None:
        """The instance for a request: a healthy one, else an overloaded one, else one whose
        agent is away; one that this client could not reach only if there is no other."""
        service = self.state.graph.services[row.service]
        failed: list[int] = []
        for group in ("ready", "poor", "unknown"):
            keys = self.store.instance_index.of((group, row.service))
            if group == "ready" and service.choose == "least-sessions":
                chosen = self.store.least_loaded.least(service.name)
            else:
                chosen = self._pick(service, row, keys)
            if chosen and self._recently_failed(row.source, chosen):
                failed.append(chosen)
                others = [one for one in keys if not self._recently_failed(row.source, one)]
                chosen = self._pick(service, row, others)
            if chosen:
                self._last[row.service] = chosen
                return self.store.instances[chosen]
        return self.store.instances[failed[0]] if failed else None

    def _pick(self, service: GraphService, row: SessionRow, keys: Iterable[int]) -> int:
        """One of the instances by the policy of the service, 0 if there is none."""
        found = list(keys)
        if len(found) < 2:
            return found[0] if found else 0
        if service.choose == "round-robin":
            last = self._last.get(service.name, 0)
            return min((one for one in found if one > last), default=min(found))
        if service.choose == "random-two":
            found = [found[int(self.state.random() * len(found))] for _ in range(2)]
        if service.choose == "local-first":
            instances = self.store.instances
            near = [one for one in found if instances[one].address == row.from_address]
            found = near or found
        size = self.store.session_index.size
        return min(found, key=lambda one: size(("to", one)))

    def _recently_failed(self, source: int, dest: int) -> bool:
        """True if this client could not reach that instance a short while ago."""
        keys = self.store.session_index.of(("unreached", source, dest))
        since = self.state.now - self.state.settings.retry_after_failure
        return any(self.store.sessions[key].since > since for key in keys)


def _request_key(row: SessionRow) -> tuple[int, str, str, str]:
    return row.source, row.plug, row.service, row.socket
