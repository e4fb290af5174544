"""The sessions of this instance, at its plugs and at its sockets, and the effects of their tables.

Pure: it must never touch the connections of the sessions themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Effects, Rule, StateMachine
from ccproxy.service.events import CloseWanted, SessionDenied, SessionGranted
from ccproxy.service.outgoing import Outgoing
from ccproxy.service.states import PLUG, SOCKET, SessionEvent, State

OWN, BROKEN = 111, 122
"""Statuses of a close info: closed by the logic of the service, connection broken."""
GAVE_UP, UNREACHABLE, TOO_LATE = 408, 502, 504
"""Statuses of an acknowledgment of a session that did not come about."""

_BUSY = (429,)
_SOURCE, _DEST = "source", "dest"


@dataclass(slots=True)
class SessionRecord:
    """One session; `peer` and `port` are the far end's, `own` the port at this end."""

    key: int
    side: str
    plug: str
    service: str
    socket: str
    state: State
    request: int = 0
    peer: str = ""
    port: int = 0
    own: int = 0
    deadline: float = 0.0
    tries: int = 0
    status: int = 0
    after: float = 0.0
    asked: list[int] = field(default_factory=list)
    """The close requests that wait for an answer."""


class ServiceSessions:
    """`rows` are all sessions by key."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.rows: dict[int, SessionRecord] = {}
        self._requests: dict[int, int] = {}
        self.effects: Effects[SessionRecord] = {
            "ask": self._ask,
            "grant": self._grant,
            "wait": self._wait,
            "refuse": self._refuse,
            "acknowledge": self._acknowledge,
            "disclaim": self._disclaim,
            "want_close": self._want_close,
            "answer": self._answer,
            "report": self._report,
        }
        self._plugs = StateMachine(PLUG, self.effects, self)
        self._sockets = StateMachine(SOCKET, self.effects, self)

    def fire(self, key: int, event: SessionEvent, status: int = 0) -> bool:
        """One event; False if there is no such session or no rule for it."""
        row = self.rows.get(key)
        if row is None:
            return False
        machine = self._plugs if row.side == _SOURCE else self._sockets
        taken = machine.fire(row, event, status=status)
        if row.state is State.GONE:
            self._forget(row)
        return taken

    def enter(self, row: SessionRecord, rule: Rule, changes: Mapping[str, Any]) -> SessionRecord:
        """Put a session into the next state; whatever it waited for is over."""
        row.state, row.deadline, row.status = State(rule.next), 0.0, changes["status"]
        return row

    def current(self, row: SessionRecord) -> SessionRecord:
        """The session: it is changed in place."""
        return row

    def ignored(self, name: str) -> None:
        """An event without a rule changes nothing: the other end was faster."""

    def ask(self, plug: ssmmp.PlugEntry) -> int:
        """Begin a session at a plug."""
        row = SessionRecord(
            self.outgoing.key(), _SOURCE, plug.name, plug.service, plug.socket, State.ASKED
        )
        self.rows[row.key] = row
        self._ask(row)
        return row.key

    def accept(self, socket: str, peer: str, port: int) -> int:
        """A connection was accepted at a socket."""
        configuration = self.outgoing.configuration
        row = SessionRecord(
            self.outgoing.key(), _DEST, "", configuration.service, socket, State.OPEN,
            peer=peer, port=port, own=configuration.port(socket),
        )  # fmt: skip
        self.rows[row.key] = row
        return row.key

    def answered(self, message: ssmmp.SsmmpMessage) -> None:
        """session_response of the agent."""
        row = self.rows.get(self._requests.pop(message.id, 0))
        if row is None or row.request != message.id:
            if message.ok:  # The session was offered after the service gave it up.
                self._ack(message.id, GAVE_UP)
            return
        row.peer = message.text("dest_service_instance_network_address")
        row.port = message.number("dest_socket_port")
        row.after = _seconds(message.extra("x_retry_after"))
        self.fire(row.key, _verdict(message.status), message.status)

    def requested(self, message: ssmmp.SsmmpMessage) -> None:
        """A close request of the Manager."""
        side = message.type.partition("_")[0]
        row = self._find(side, message)
        if row is None:
            self.outgoing.send(f"{side}_service_session_close_response", message.id, status=404)
            return
        row.asked.append(message.id)
        self.fire(row.key, SessionEvent.REQUESTED)

    def linked(self) -> None:
        """The agent is there: what is not answered yet is asked anew."""
        for key in list(self.rows):
            self.fire(key, SessionEvent.LINKED)

    def unlinked(self) -> None:
        """The agent is away: it forgets its requests, and those that were sent to it."""
        self._requests.clear()
        for row in self.rows.values():
            row.asked.clear()
            if row.state is State.ASKED:
                row.request, row.deadline = 0, 0.0

    def tick(self) -> None:
        """The time of some sessions has come."""
        due = [
            one for one in self.rows.values() if one.deadline and one.deadline <= self.outgoing.now
        ]
        for row in due:
            self.fire(row.key, SessionEvent.TIMEOUT)

    def _find(self, side: str, message: ssmmp.SsmmpMessage) -> SessionRecord | None:
        mine, far = ("source_plug_port", "dest_socket_port")
        if side == _DEST:
            mine, far = far, mine
        here = message.number(mine), message.number(far)
        rows = [
            one for one in self.rows.values()
            if one.side == side and (one.own, one.port) == here
            and one.state in (State.OPEN, State.CLOSING)
        ]  # fmt: skip
        name = _DEST if side == _SOURCE else _SOURCE
        address = message.text(f"{name}_service_instance_network_address")
        exact = [one for one in rows if one.peer == address]
        # Behind address translation only the ports are known to both.
        found = exact or rows
        return found[0] if len(found) == 1 or exact else None

    def _forget(self, row: SessionRecord) -> None:
        self.rows.pop(row.key, None)
        if row.request:
            self._requests.pop(row.request, None)

    def _ask(self, row: SessionRecord) -> None:
        self._requests.pop(row.request, None)
        row.request = 0
        if not self.outgoing.attached:
            return
        row.request = self.outgoing.number()
        row.deadline = self.outgoing.now + self.outgoing.settings.answer_timeout
        self._requests[row.request] = row.key
        configuration = self.outgoing.configuration
        self.outgoing.send(
            "session_request", row.request, source_service_name=configuration.service,
            source_service_instance_id=configuration.instance, source_plug_name=row.plug,
            dest_service_name=row.service, dest_socket_name=row.socket,
        )  # fmt: skip

    def _grant(self, row: SessionRecord) -> None:
        self.outgoing.log.append(SessionGranted(row.key, row.peer, row.port))

    def _wait(self, row: SessionRecord) -> None:
        settings = self.outgoing.settings
        grown = settings.retry_first * 2.0 ** min(row.tries, 16)
        row.tries += 1
        row.deadline = self.outgoing.now + min(max(row.after, grown), settings.retry_most)

    def _refuse(self, row: SessionRecord) -> None:
        self.outgoing.log.append(SessionDenied(row.key, row.status))

    def _acknowledge(self, row: SessionRecord) -> None:
        row.tries = 0
        self._ack(row.request, 200, row.own, row.port)

    def _disclaim(self, row: SessionRecord) -> None:
        self._ack(row.request, row.status or GAVE_UP)
        row.request = 0

    def _ack(self, id: int, status: int, port: int = 0, new_port: int = 0) -> None:
        self.outgoing.send("session_ack", id, status=status, source_plug_port=port,
                      dest_socket_new_port=new_port)  # fmt: skip

    def _want_close(self, row: SessionRecord) -> None:
        self.outgoing.log.append(CloseWanted(row.key))

    def _answer(self, row: SessionRecord) -> None:
        """Answer the close requests; if the agent has forgotten them, report the end instead."""
        if not row.asked:
            if row.state is State.GONE:
                self._report(row)
            return
        status = 200 if row.state is State.GONE else row.status
        for id in row.asked:
            self.outgoing.send(f"{row.side}_service_session_close_response", id, status=status)
        row.asked.clear()

    def _report(self, row: SessionRecord) -> None:
        self.outgoing.send(
            f"{row.side}_service_session_close_info", self.outgoing.number(),
            status=row.status or OWN, **self._parameters(row),
        )  # fmt: skip

    def _parameters(self, row: SessionRecord) -> dict[str, ssmmp.FieldValue]:
        """What this side knows of a session; a source says one new port, the listening one."""
        mine = self.outgoing.configuration
        common: dict[str, ssmmp.FieldValue] = {
            "dest_service_name": row.service, "dest_socket_name": row.socket,
            "source_plug_name": row.plug or "unknown",
        }  # fmt: skip
        if row.side == _SOURCE:
            return common | {
                "source_service_name": mine.service, "source_service_instance_id": mine.instance,
                "source_service_instance_network_address": mine.address,
                "source_plug_port": row.own, "dest_socket_port": row.port,
                "dest_service_instance_network_address": row.peer,
                "dest_socket_new_port": row.port,
            }  # fmt: skip
        return common | {
            "dest_service_instance_id": mine.instance,
            "dest_service_instance_network_address": mine.address,
            "source_service_instance_network_address": row.peer, "source_plug_port": row.port,
            "dest_socket_port": row.own, "dest_socket_new_port": row.own,
        }  # fmt: skip


def _verdict(status: int) -> SessionEvent:
    if 200 <= status < 300:
        return SessionEvent.GRANTED
    if status == 409:
        return SessionEvent.TAKEN
    return SessionEvent.BUSY if status >= 500 or status in _BUSY else SessionEvent.REFUSED


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() and len(text) < 6 else 0.0
