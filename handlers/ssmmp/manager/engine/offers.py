"""Session requests: who may ask for what, which instance is offered, who waits, who is refused."""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.protocols import ssmmp

from ...graph import Edge, Service
from .rows import Agent, Instance, Session
from .state import Mesh
from .tables import LIVE, InstanceState, SessionState

_NAMED = (403, 404, 409)
"""Refusals of which the operator is told: somebody asked for what it must not."""


class Offers:
    """`_last` is the instance offered last, by service: a hint for round-robin, not state."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._last: dict[str, int] = {}

    def asked(self, agent: Agent, message: ssmmp.Message) -> None:
        """session_request."""
        source = self.mesh.store.instances.get(message.number("source_service_instance_id"))
        row = self._row(agent, source, message)
        if self._repeated(row):
            return
        status = self._refusal(row, source, message)
        if status:
            self._refuse(row, status)
            return
        dest = self.choose(row)
        if dest:
            self.offer(row, dest)
            return
        self._wait(row)

    def _row(self, agent: Agent, source: Instance | None, message: ssmmp.Message) -> Session:
        return Session(
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
            since=self.mesh.now,
        )

    def _repeated(self, row: Session) -> bool:
        """True if this very request is known already; an offer is made again, the rest is quiet."""
        index = self.mesh.store.session_index
        pending = index.first(("pending", row.agent, row.message))
        old = self.mesh.store.sessions[pending] if pending is not None else None
        if old is None or _wish(old) != _wish(row):
            return False
        self.mesh.count("repeated.session_request")
        if old.state is SessionState.OFFERED:
            self.mesh.sessions.answer(old)
        return True

    def _refusal(self, row: Session, source: Instance | None, message: ssmmp.Message) -> int:
        """The status of the refusal, 0 if the request is in order."""
        if not self._own(row, source, message):
            return 403
        index = self.mesh.store.session_index
        pending = index.of(("pending", row.agent, row.message))
        if pending or index.of(("used", row.source, row.message)):
            return 409
        assert source is not None
        if self._leaving(source):
            return 410
        return self._edge_refusal(row)

    def _own(self, row: Session, source: Instance | None, message: ssmmp.Message) -> bool:
        """True if an instance of this agent speaks for itself."""
        if source is None or source.agent != row.agent or source.state not in LIVE:
            self.mesh.count("foreign.session_request")
            return False
        name = message.text("source_service_name")
        return name in (source.service, source.program)

    def _leaving(self, source: Instance) -> bool:
        """A draining instance may ask as long as others use it: it may need its storage."""
        if source.state is InstanceState.DRAINING:
            return not self.mesh.store.session_index.size(("to", source.key))
        return source.state in (InstanceState.STOPPING, InstanceState.KILLING)

    def _edge_refusal(self, row: Session) -> int:
        dest = self.mesh.service(row.service)
        if dest is None or dest.socket(row.socket) is None:
            return 404
        source = self.mesh.service(row.source_service)
        edge = source.plug(row.plug) if source else None
        if source is None or edge != Edge(row.plug, row.service, row.socket):
            # Only names of the graph make counters, so that nobody can invent them without end.
            name = f".{row.source_service}.{row.plug}" if edge else ""
            self.mesh.count(f"edge.refused{name}")
            return 403
        edges = self.mesh.store.session_index.size(("edge", row.source_service, row.plug))
        if source.max_sessions and edges >= source.max_sessions:
            return 429
        waiting = self.mesh.store.session_index.size(("waiting", row.service))
        return 503 if waiting >= self.mesh.settings.max_waiting else 0

    def offer(self, row: Session, dest: Instance) -> None:
        """Send the asker to an instance."""
        port = dict(dest.sockets).get(row.socket, 0)
        key = row.key or self.mesh.store.next("session")
        self.mesh.sessions.fire(
            row, "offer", key=key, dest=dest.key, to_address=dest.address, to_port=port, status=200
        )
        self.mesh.instances.idle(dest.key)
        self.mesh.services.load(dest.service)

    def _wait(self, row: Session) -> None:
        if not self.mesh.services.possible(row.service):
            self._refuse(row, 503)
            return
        key = self.mesh.store.next("session")
        self.mesh.sessions.fire(row, "wait", key=key)
        self.mesh.services.balance(row.service)

    def _refuse(self, row: Session, status: int) -> None:
        self.mesh.count(f"session.refused.{status}")
        if status in _NAMED:
            what = f"{row.agent}: {row.source_service}.{row.plug} to {row.service}.{row.socket}"
            self.mesh.notice("refused", row.source, f"{status} {what}"[:200])
        self.mesh.sessions.fire(row, "refuse", status=status)

    def refuse_waiting(self, service: str, status: int) -> None:
        """Nothing will serve those who wait for a service."""
        self._end(self.mesh.store.session_index.of(("waiting", service)), status)

    def refuse_of(self, instance: int, status: int) -> None:
        """An instance gets nothing more of what it waits for."""
        self._end(self.mesh.store.session_index.of(("waits", instance)), status)

    def _end(self, keys: Iterable[int], status: int) -> None:
        for key in list(keys):
            row = self.mesh.store.sessions.get(key)
            if row and row.state is SessionState.WAITING:
                self._refuse(row, status)

    def answer_waiting(self, service: str) -> None:
        """An instance of the service is ready: offer it to those who wait, first come first."""
        for key in list(self.mesh.store.session_index.of(("waiting", service))):
            row = self.mesh.store.sessions[key]
            dest = self.choose(row)
            if dest is None:
                return
            self.offer(row, dest)

    def choose(self, row: Session) -> Instance | None:
        """The instance for a request: a healthy one, else an overloaded one, else one whose
        agent is away; one that this client could not reach only if there is no other."""
        store = self.mesh.store
        service = self.mesh.graph.services[row.service]
        blamed: list[int] = []
        for group in ("ready", "poor", "unknown"):
            keys = store.instance_index.of((group, row.service))
            if group == "ready" and service.choose == "least-sessions":
                chosen = store.loads.least(service.name)
            else:
                chosen = self._pick(service, row, keys)
            if chosen and self._blamed(row.source, chosen):
                blamed.append(chosen)
                fresh = [one for one in keys if not self._blamed(row.source, one)]
                chosen = self._pick(service, row, fresh)
            if chosen:
                self._last[row.service] = chosen
                return store.instances[chosen]
        return store.instances[blamed[0]] if blamed else None

    def _pick(self, service: Service, row: Session, keys: Iterable[int]) -> int:
        """One of the instances by the policy of the service, 0 if there is none."""
        found = list(keys)
        if len(found) < 2:
            return found[0] if found else 0
        if service.choose == "round-robin":
            last = self._last.get(service.name, 0)
            return min((one for one in found if one > last), default=min(found))
        if service.choose == "random-two":
            found = [found[int(self.mesh.random() * len(found))] for _ in range(2)]
        if service.choose == "local-first":
            near = [one for one in found if self._address(one) == row.from_address]
            found = near or found
        size = self.mesh.store.session_index.size
        return min(found, key=lambda one: size(("to", one)))

    def _address(self, key: int) -> str:
        return self.mesh.store.instances[key].address

    def _blamed(self, source: int, dest: int) -> bool:
        """True if this client could not reach that instance a short while ago."""
        keys = self.mesh.store.session_index.of(("blamed", source, dest))
        since = self.mesh.now - self.mesh.settings.shun
        return any(self.mesh.store.sessions[key].since > since for key in keys)


def _wish(row: Session) -> tuple[int, str, str, str]:
    return row.source, row.plug, row.service, row.socket
