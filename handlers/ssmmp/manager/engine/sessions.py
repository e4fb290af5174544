"""The session machine: what the effects of its table do, acks, close infos, and closing one.

It must never choose an instance for a session, nor decide which sessions a drain closes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from . import session_lookup
from .events import ClientFailed, SessionAcked, SessionGone
from .legacy_peers import LegacyPeers
from .rows import AgentRow, SessionRow
from .state import State, StoredRows
from .tables import ENDED, LEAVING, LIVE, SESSION, InstanceState, SessionState

_UNREACHED = (502, 504)
"""Acks that say that the destination could not be reached."""

_BROKEN = 122
"""The status of a close info about a connection that broke (edition 1.1)."""

_TOLD_TO_OPERATOR = (403, 404, 409)
"""Refusals of requests for something that the asker must not have."""

_OTHER = {"source": "dest", "dest": "source"}


class SessionRows(StoredRows[SessionRow]):
    """Effects are done for a session that is forgotten by then, too: its end is told."""

    def current(self, row: SessionRow) -> SessionRow:
        """The row as the store has it, or as it ended."""
        return super().current(row) or replace(row, state=SessionState.END)


class SessionMachine:
    """`fire` takes one cell of the table for a session. An end of it is "source" or "dest"."""

    def __init__(self, state: State, legacy_peers: LegacyPeers) -> None:
        self.state = state
        self.store = state.store
        self.legacy_peers = legacy_peers
        effects: dict[str, Callable[[SessionRow], None]] = {
            "answer": self.answer,
            "blame": self._blame,
            "tell_ends": self._tell_ends,
            "close_unwanted": self._close_unwanted,
            "note_ports": self._note_ports,
            "request": self._request,
            "try_other_end": self._try_other_end,
        }
        self.machine = StateMachine(SESSION, effects, SessionRows(state, self.store.sessions))

    def fire(self, row: SessionRow, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(row, event, **changes)

    # What agents say

    def acked(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """session_ack."""
        key = self.store.session_index.first(("pending", agent.key, message.id))
        row = self.store.sessions[key] if key is not None else None
        named = message.number("source_service_instance_id")
        if row is None or named not in (0, row.source):
            self.state.count("unexpected.session_ack")
            return
        if message.ok:
            self.fire(
                row, "ack", from_port=message.number("source_plug_port"),
                new_port=message.number("dest_socket_new_port"), status=message.status,
            )  # fmt: skip
            self.state.pending.append(SessionAcked(row.source))
            return
        self.fire(row, "nack", status=message.status)

    def source_reported(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """source_service_session_close_info."""
        self._reported(agent, message, "source")

    def dest_reported(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """dest_service_session_close_info."""
        self._reported(agent, message, "dest")

    def _reported(self, agent: AgentRow, message: ssmmp.SsmmpMessage, side: str) -> None:
        instance = message.number(f"{side}_service_instance_id")
        own = self.store.instances.get(instance)
        if own is not None and own.agent != agent.key:
            self.state.count(f"foreign.{message.type}")
            return
        row = session_lookup.find(self.store, message, side, instance)
        if row is None:
            self.state.count(f"unknown.{message.type}")
            return
        if message.status == _BROKEN:
            self.state.count(f"edge.broken.{row.source_service}.{row.plug}")
        event = "again" if row.first == side else "info"
        changes: dict[str, Any] = {} if event == "again" else {"first": side, "request": 0}
        if not row.from_port:
            changes.update(from_port=message.number("source_plug_port"))
        self.fire(row, event, **({} if row.state is SessionState.CLOSED else changes))

    def answered(self, row: SessionRow, message: ssmmp.SsmmpMessage) -> None:
        """source_ or dest_service_session_close_response."""
        done = message.ok or message.status == 404
        self.fire(row, "closed" if done else "unclosed", request=0)

    # Refusing

    def refuse(self, row: SessionRow, status: int) -> None:
        """Refuse a request that is new or waits."""
        self.state.count(f"session.refused.{status}")
        if status in _TOLD_TO_OPERATOR:
            what = f"{row.agent}: {row.source_service}.{row.plug} to {row.service}.{row.socket}"
            self.state.notice("refused", row.source, f"{status} {what}"[:200])
        self.fire(row, "refuse", status=status)

    def refuse_waiting(self, group: Hashable, status: int, most: int | None = None) -> None:
        """Refuse the requests of an index group that wait, or the first `most` of them."""
        for key in list(self.store.session_index.of(group))[:most]:
            row = self.store.sessions.get(key)
            if row and row.state is SessionState.WAITING:
                self.refuse(row, status)

    # Closing

    def close(self, row: SessionRow, end: str = "source") -> None:
        """Have a session closed by an end, by the other one if that cannot be asked."""
        if row.state is SessionState.OFFERED:
            self.fire(row, "close", unwanted=True)
            return
        for one in (end, _OTHER[end]):
            if self.reachable(row, one):
                self.ask_to_close(row, one, "both" if one != end else one)
                return
        self._abandon_or_give_up(row)

    def ask_to_close(self, row: SessionRow, end: str, asked: str) -> None:
        """Ask an end to close a session; `asked` = the ends that were asked then."""
        request = self.store.next("message")
        self.fire(row, "close", request=request, end=end, asked=asked, stuck=False, unwanted=False)

    def reachable(self, row: SessionRow, end: str) -> bool:
        """True if that end can be asked: it lives, and its agent is connected."""
        found = self.store.instances.get(_instance(row, end))
        if found is None or found.state not in LIVE or found.state is InstanceState.UNKNOWN:
            return False
        connected = bool(self.state.connection(found.agent))
        return connected and self.legacy_peers.reachable(row, end)

    def _abandon_or_give_up(self, row: SessionRow) -> None:
        """Neither end can close it. If an end of it has ended, so has the session; else it stays,
        but nothing waits for it any more."""
        if self._ended(row.source) or self._ended(row.dest):
            self.fire(row, "abandon")
            return
        self.state.notice("stuck", row.key, f"{row.source_service}.{row.plug} to {row.service}")
        asked = "both" if self._an_end_leaves(row) else row.asked
        self.store.put(replace(row, stuck=True, asked=asked, request=0))
        self._tell_ends(row)

    def _an_end_leaves(self, row: SessionRow) -> bool:
        """True if an instance of it is about to end or has ended."""
        instances = self.store.instances
        ends = [instances[key] for key in (row.source, row.dest) if key in instances]
        return len(ends) < 2 or any(one.state in LEAVING | ENDED for one in ends)

    def _ended(self, key: int) -> bool:
        row = self.store.instances.get(key)
        return row is None or row.state in ENDED

    # Effects

    def answer(self, row: SessionRow) -> None:
        """session_response: where to connect, or why not."""
        status = row.status if row.status else 504
        offered = row.state is SessionState.OFFERED
        agent = self.store.agents.get(row.agent)
        extras: tuple[tuple[str, str], ...] = ()
        if status in (503, 504) and agent and agent.extensions:
            extras = (("x_retry_after", "1"),)
        self.state.tell(
            agent.peer if agent else "",
            ssmmp.MANAGER_TO_AGENT.make(
                "session_response", row.message, extras, status=status,
                source_service_name=row.source_service or "unknown",
                source_service_instance_id=row.source,
                dest_service_name=row.service, dest_service_instance_id=row.dest,
                dest_socket_name=row.socket,
                dest_service_instance_network_address=row.to_address if offered else ssmmp.NOWHERE,
                dest_socket_port=row.to_port if offered else 0,
            ),
        )  # fmt: skip

    def _blame(self, row: SessionRow) -> None:
        self.state.count(f"edge.failed.{row.source_service}.{row.plug}")
        if row.status in _UNREACHED:
            self.state.pending.append(ClientFailed(row.dest))

    def _tell_ends(self, row: SessionRow) -> None:
        for key in (row.source, row.dest):
            if key:
                self.state.pending.append(SessionGone(key))

    def _close_unwanted(self, row: SessionRow) -> None:
        if row.unwanted:
            self.close(row)

    def _note_ports(self, row: SessionRow) -> None:
        self.state.count(f"late.session_ack.{row.state}")

    def _request(self, row: SessionRow) -> None:
        """Send source_ or dest_service_session_close_request."""
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
        found = self.store.instances.get(_instance(row, row.end))
        peer = self.state.connection(found.agent if found else "")
        self.state.tell(peer, ssmmp.MANAGER_TO_AGENT.make(type, row.request, **fields))

    def _try_other_end(self, row: SessionRow) -> None:
        """An end has not closed it. If an instance of it is about to end, ask the other end, once;
        else stop waiting."""
        other = _OTHER[row.end]
        if self._an_end_leaves(row) and row.asked != "both" and self.reachable(row, other):
            self.ask_to_close(row, other, "both")
            return
        self._abandon_or_give_up(row)


def _instance(row: SessionRow, end: str) -> int:
    return row.source if end == "source" else row.dest
