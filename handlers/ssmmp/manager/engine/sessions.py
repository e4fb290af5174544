"""The session machine: what the table's effects do, acks, and the close infos of both ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import StateMachine

from . import identity
from .rows import Agent, Session
from .state import Mesh, StoredRows
from .tables import SESSION, SessionState

_UNREACHED = (502, 504)
"""Acks that say that the destination could not be reached."""

_BROKEN = 122
"""The status of a close info about a connection that broke (edition 1.1)."""


class SessionRows(StoredRows[Session]):
    """The effects of its last event are done for a session that is forgotten already."""

    def current(self, row: Session) -> Session:
        """The row as the store has it, or as it ended."""
        return super().current(row) or replace(row, state=SessionState.END)


class Sessions:
    """`fire` takes one cell of the table for a session."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        effects: dict[str, Callable[[Session], None]] = {
            "answer": self.answer,
            "blame": self._blame,
            "tell_ends": self._tell_ends,
            "close_unwanted": self._close_unwanted,
            "note_ports": self._note_ports,
            "request": mesh.closing.request,
            "try_other_end": mesh.closing.try_other_end,
        }
        self.machine = StateMachine(SESSION, effects, SessionRows(mesh, mesh.store.sessions))

    def fire(self, row: Session, event: str, **changes: Any) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(row, event, **changes)

    def acked(self, agent: Agent, message: ssmmp.Message) -> None:
        """session_ack."""
        key = self.mesh.store.session_index.first(("pending", agent.key, message.id))
        row = self.mesh.store.sessions[key] if key is not None else None
        named = message.number("source_service_instance_id")
        if row is None or named not in (0, row.source):
            self.mesh.count("unexpected.session_ack")
            return
        if message.ok:
            self.fire(
                row, "ack", from_port=message.number("source_plug_port"),
                new_port=message.number("dest_socket_new_port"), status=message.status,
            )  # fmt: skip
            return
        self.fire(row, "nack", status=message.status)

    def reported(self, agent: Agent, message: ssmmp.Message, side: str) -> None:
        """source_ or dest_service_session_close_info."""
        instance = message.number(f"{side}_service_instance_id")
        own = self.mesh.store.instances.get(instance)
        if own is not None and own.agent != agent.key:
            self.mesh.count(f"foreign.{message.type}")
            return
        row = identity.find(self.mesh, message, side, instance)
        if row is None:
            self.mesh.count(f"unknown.{message.type}")
            return
        if message.status == _BROKEN:
            self.mesh.count(f"edge.broken.{row.source_service}.{row.plug}")
        event = "again" if row.first == side else "info"
        changes: dict[str, Any] = {} if event == "again" else {"first": side, "request": 0}
        if not row.from_port:
            changes.update(from_port=message.number("source_plug_port"))
        self.fire(row, event, **(changes if self._known(row) else {}))

    def _known(self, row: Session) -> bool:
        """True while its row may still change."""
        return row.state is not SessionState.CLOSED

    def answer(self, row: Session) -> None:
        """session_response: where to connect, or why not."""
        status = row.status if row.status else 504
        offered = row.state is SessionState.OFFERED
        agent = self.mesh.store.agents.get(row.agent)
        extras: tuple[tuple[str, str], ...] = ()
        if status in (503, 504) and agent and agent.extensions:
            extras = (("x_retry_after", "1"),)
        self.mesh.tell(
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

    def _blame(self, row: Session) -> None:
        self.mesh.count(f"edge.failed.{row.source_service}.{row.plug}")
        if row.status in _UNREACHED:
            self.mesh.health.ask(row.dest)

    def _tell_ends(self, row: Session) -> None:
        for key in (row.source, row.dest):
            if key:
                self.mesh.instances.idle(key)
                self.mesh.closing.advance(key)
        self.mesh.operations.changed()

    def _close_unwanted(self, row: Session) -> None:
        if row.unwanted:
            self.mesh.closing.close(row)

    def _note_ports(self, row: Session) -> None:
        self.mesh.count(f"late.session_ack.{row.state}")
