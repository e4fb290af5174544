"""Closing sessions on request: towards either end, in the order of a drain, and after a failure."""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from .rows import Session
from .state import Mesh
from .tables import CONNECTED, ENDED, LEAVING, LIVE, InstanceState, SessionState

_OTHER = {"source": "dest", "dest": "source"}


class Closing:
    """An end is "source" or "dest"."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    def close(self, row: Session, end: str = "source") -> None:
        """Have a session closed by an end, by the other one if that cannot be asked."""
        if row.state is SessionState.OFFERED:
            self.mesh.sessions.fire(row, "close", unwanted=True)
            return
        for one in (end, _OTHER[end]):
            if self._reachable(row, one):
                self._ask(row, one, "both" if one != end else one)
                return
        if self._ended(row.source) or self._ended(row.dest):
            self.mesh.sessions.fire(row, "abandon")
        else:
            self._give_up(row)

    def _ask(self, row: Session, end: str, asked: str) -> None:
        request = self.mesh.store.next("message")
        self.mesh.sessions.fire(
            row, "close", request=request, end=end, asked=asked, stuck=False, unwanted=False
        )

    def request(self, row: Session) -> None:
        """Send 15 to the source or 19 to the destination."""
        fields: dict[str, ssmmp.FieldValue] = {
            "source_service_instance_network_address": row.from_address,
            "source_plug_name": row.plug, "source_plug_port": row.from_port,
            "dest_service_name": row.service,
            "dest_service_instance_network_address": row.to_address,
            "dest_socket_name": row.socket, "dest_socket_port": row.to_port,
            "dest_socket_new_port": row.new_port or row.to_port,
        }  # fmt: skip
        if row.end == "source":
            fields.update(
                source_service_name=row.source_service, source_service_instance_id=row.source
            )
        else:
            fields["dest_service_instance_id"] = row.dest
        type = f"{row.end}_service_session_close_request"
        peer = self.mesh.connection(self._agent(row, row.end))
        self.mesh.tell(peer, ssmmp.MANAGER_TO_AGENT.make(type, row.request, **fields))

    def answered(self, row: Session, message: ssmmp.Message) -> None:
        """source_ or dest_service_session_close_response."""
        done = message.ok or message.status == 404
        self.mesh.sessions.fire(row, "closed" if done else "unclosed", request=0)

    def try_other_end(self, row: Session) -> None:
        """Nobody closed it: if an instance of it ends, ask the other end, then stop waiting."""
        other = _OTHER[row.end]
        if not self._pressed(row) or row.asked == "both" or not self._reachable(row, other):
            if self._ended(row.source) or self._ended(row.dest):
                self.mesh.sessions.fire(row, "abandon")
                return
            self._give_up(row)
            return
        self._ask(row, other, "both")

    def _give_up(self, row: Session) -> None:
        """It stays, but nothing waits for it any more."""
        self.mesh.notice("stuck", row.key, f"{row.source_service}.{row.plug} to {row.service}")
        asked = "both" if self._pressed(row) else row.asked
        self.mesh.store.put(replace(row, stuck=True, asked=asked, request=0))
        for key in (row.source, row.dest):
            self.advance(key)
        self.mesh.operations.changed()

    def _pressed(self, row: Session) -> bool:
        """True if an instance of it is about to end or has ended."""
        instances = self.mesh.store.instances
        ends = [instances[key] for key in (row.source, row.dest) if key in instances]
        return len(ends) < 2 or any(one.state in LEAVING | ENDED for one in ends)

    def _ended(self, key: int) -> bool:
        row = self.mesh.store.instances.get(key)
        return row is None or row.state in ENDED

    def _agent(self, row: Session, end: str) -> str:
        key = row.source if end == "source" else row.dest
        found = self.mesh.store.instances.get(key)
        return found.agent if found else ""

    def _reachable(self, row: Session, end: str) -> bool:
        """True if that end can be asked: it lives, and its agent is connected."""
        key = row.source if end == "source" else row.dest
        found = self.mesh.store.instances.get(key)
        if found is None or found.state not in LIVE or found.state is InstanceState.UNKNOWN:
            return False
        return bool(self.mesh.connection(found.agent)) and self.mesh.guests.reachable(row, end)

    def begin(self, key: int) -> None:
        """A drain begins, perhaps anew: what could not be closed before is tried again."""
        index, sessions = self.mesh.store.session_index, self.mesh.store.sessions
        for one in [*index.of(("to", key)), *index.of(("from", key))]:
            if sessions[one].stuck:
                self.mesh.store.put(replace(sessions[one], stuck=False, asked=""))
        self.advance(key)

    def advance(self, key: int) -> None:
        """Bring a draining instance one step further: sessions to it, those from it, storage last;
        it is ended when none is left that is worth waiting for."""
        row = self.mesh.store.instances.get(key)
        if row is None or row.state is not InstanceState.DRAINING:
            return
        if self._press(("to", key), (True, False)):
            return
        self.mesh.offers.refuse_of(key, 410)
        if self._press(("from", key), (False,)) or self._press(("from", key), (True,)):
            return
        if self.mesh.store.instances[key].state is InstanceState.DRAINING:
            self.mesh.instances.fire(key, "emptied")

    def _press(self, group: tuple[str, int], storage: tuple[bool, ...]) -> bool:
        """Close sessions of a group, close_parallel at a time; True while some are left."""
        todo: list[Session] = []
        busy = 0
        for key in self.mesh.store.session_index.of(group):
            row = self.mesh.store.sessions[key]
            if not _worth(row) or self._stores(row) not in storage:
                continue
            if row.state is SessionState.CLOSING or row.unwanted:
                busy += 1
            else:
                todo.append(row)
            if busy + len(todo) >= self.mesh.settings.close_parallel:
                break
        for row in todo:
            end = "dest" if row.stuck and row.asked == "source" else "source"
            self.close(row, end)
        return busy > 0 or any(self._left(row.key) for row in todo)

    def _stores(self, row: Session) -> bool:
        service = self.mesh.service(row.service)
        return service is not None and service.kind == "baas"

    def _left(self, key: int) -> bool:
        row = self.mesh.store.sessions.get(key)
        return row is not None and _worth(row)

    def far_ends(self, key: int) -> None:
        """An instance has ended or is being killed: its sessions are closed by their other ends."""
        index = self.mesh.store.session_index
        for waiting in list(index.of(("waits", key))):
            self.mesh.sessions.fire(self.mesh.store.sessions[waiting], "abandon")
        for session in list(index.of(("from", key))):
            self._far_end(session, "dest")
        for session in list(index.of(("to", key))):
            self._far_end(session, "source")

    def _far_end(self, key: int, end: str) -> None:
        row = self.mesh.store.sessions.get(key)
        if row is None or row.state not in CONNECTED:
            return
        if row.state is SessionState.CLOSING:
            if row.end != end:
                self.mesh.sessions.fire(row, "unclosed", request=0)
            return
        if row.state is SessionState.OFFERED and end == "source":
            return
        if row.state is SessionState.OFFERED or not self._reachable(row, end):
            self.mesh.sessions.fire(row, "abandon")
            return
        self._ask(row, end, "both")

    def agent_gone(self, agent: str) -> None:
        """What was asked of instances of an agent without connection is not answered any more."""
        index = self.mesh.store.session_index
        for instance in list(self.mesh.store.instance_index.of(("on", agent))):
            for group, end in (("from", "source"), ("to", "dest")):
                for key in list(index.of((group, instance))):
                    self._unanswered(key, end)
        for key in list(index.of(("waits at", agent))):
            self.mesh.sessions.fire(self.mesh.store.sessions[key], "abandon")

    def _unanswered(self, key: int, end: str) -> None:
        row = self.mesh.store.sessions.get(key)
        if row is None or row.state is not SessionState.CLOSING:
            return
        if row.end == end:
            self.mesh.sessions.fire(row, "unclosed", request=0)


def _worth(row: Session) -> bool:
    """True for a session that a drain waits for."""
    return row.state in CONNECTED and not (row.stuck and row.asked == "both")
