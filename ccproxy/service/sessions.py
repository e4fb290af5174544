"""The sessions of this instance, at its plugs and its sockets: the machine that walks the tables.

Pure. It must never touch the connections of the sessions themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ccproxy.protocols import ssmmp
from ccproxy.service.desk import Desk
from ccproxy.service.events import CloseWanted, Granted, Refused
from ccproxy.service.states import PLUG, SOCKET, Event, Rules, State

OWN, BROKEN = 111, 122
"""Statuses of a close info: closed by the logic of the service, connection broken."""
GAVE_UP, UNREACHABLE, TOO_LATE = 408, 502, 504
"""Statuses of an acknowledgment of a session that did not come about."""

_BUSY = (429,)
_SOURCE, _DEST = "source", "dest"


@dataclass(slots=True)
class Session:
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


class Sessions:
    """`rows` are all sessions by key."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rows: dict[int, Session] = {}
        self._requests: dict[int, int] = {}
        self._effects: dict[str, Callable[[Session], None]] = {
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

    def fire(self, key: int, event: Event, status: int = 0) -> bool:
        """One event; False if there is no such session or no rule for it."""
        row = self.rows.get(key)
        rules: Rules = PLUG if row is None or row.side == _SOURCE else SOCKET
        rule = rules.get((row.state, event)) if row else None
        if row is None or rule is None:
            return False
        effects, row.state = rule
        row.deadline, row.status = 0.0, status
        for effect in effects:
            self._effects[effect](row)
        if row.state is State.GONE:
            self._forget(row)
        return True

    def ask(self, plug: ssmmp.PlugEntry) -> int:
        """Begin a session at a plug."""
        row = Session(self.desk.key(), _SOURCE, plug.name, plug.service, plug.socket, State.ASKED)
        self.rows[row.key] = row
        self._ask(row)
        return row.key

    def accept(self, socket: str, peer: str, port: int) -> int:
        """A connection was accepted at a socket."""
        configuration = self.desk.configuration
        row = Session(
            self.desk.key(), _DEST, "", configuration.service, socket, State.OPEN,
            peer=peer, port=port, own=configuration.port(socket),
        )  # fmt: skip
        self.rows[row.key] = row
        return row.key

    def answered(self, message: ssmmp.Message) -> None:
        """session_response of the agent."""
        row = self.rows.get(self._requests.pop(message.id, 0))
        if row is None or row.request != message.id:
            if message.ok:  # too late for us, but it is offered: nobody will take it
                self._ack(message.id, GAVE_UP)
            return
        row.peer = message.text("dest_service_instance_network_address")
        row.port = message.number("dest_socket_port")
        row.after = _seconds(message.extra("x_retry_after"))
        self.fire(row.key, _verdict(message.status), message.status)

    def requested(self, message: ssmmp.Message) -> None:
        """A close request of the Manager."""
        side = message.type.partition("_")[0]
        row = self._find(side, message)
        if row is None:
            self.desk.say(f"{side}_service_session_close_response", message.id, status=404)
            return
        row.asked.append(message.id)
        self.fire(row.key, Event.REQUESTED)

    def linked(self) -> None:
        """The agent is there: what is not answered yet is asked anew."""
        for key in list(self.rows):
            self.fire(key, Event.LINKED)

    def unlinked(self) -> None:
        """The agent is away: nobody waits for the answers to its requests any more."""
        self._requests.clear()
        for row in self.rows.values():
            row.asked.clear()
            if row.state is State.ASKED:
                row.request, row.deadline = 0, 0.0

    def tick(self) -> None:
        """The time of some sessions has come."""
        due = [one for one in self.rows.values() if one.deadline and one.deadline <= self.desk.now]
        for row in due:
            self.fire(row.key, Event.TIMEOUT)

    def _find(self, side: str, message: ssmmp.Message) -> Session | None:
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

    def _forget(self, row: Session) -> None:
        self.rows.pop(row.key, None)
        if row.request:
            self._requests.pop(row.request, None)

    def _ask(self, row: Session) -> None:
        self._requests.pop(row.request, None)
        row.request = 0
        if not self.desk.attached:
            return
        row.request = self.desk.number()
        row.deadline = self.desk.now + self.desk.settings.answer_timeout
        self._requests[row.request] = row.key
        configuration = self.desk.configuration
        self.desk.say(
            "session_request", row.request, source_service_name=configuration.service,
            source_service_instance_id=configuration.instance, source_plug_name=row.plug,
            dest_service_name=row.service, dest_socket_name=row.socket,
        )  # fmt: skip

    def _grant(self, row: Session) -> None:
        self.desk.log.append(Granted(row.key, row.peer, row.port))

    def _wait(self, row: Session) -> None:
        settings = self.desk.settings
        grown = settings.retry_first * 2.0 ** min(row.tries, 16)
        row.tries += 1
        row.deadline = self.desk.now + min(max(row.after, grown), settings.retry_most)

    def _refuse(self, row: Session) -> None:
        self.desk.log.append(Refused(row.key, row.status))

    def _acknowledge(self, row: Session) -> None:
        row.tries = 0
        self._ack(row.request, 200, row.own, row.port)

    def _disclaim(self, row: Session) -> None:
        self._ack(row.request, row.status or GAVE_UP)
        row.request = 0

    def _ack(self, id: int, status: int, port: int = 0, new_port: int = 0) -> None:
        self.desk.say("session_ack", id, status=status, source_plug_port=port,
                      dest_socket_new_port=new_port)  # fmt: skip

    def _want_close(self, row: Session) -> None:
        self.desk.log.append(CloseWanted(row.key))

    def _answer(self, row: Session) -> None:
        """Answer the close requests; if their askers are gone, report the end by itself."""
        if not row.asked:
            if row.state is State.GONE:
                self._report(row)
            return
        status = 200 if row.state is State.GONE else row.status
        for id in row.asked:
            self.desk.say(f"{row.side}_service_session_close_response", id, status=status)
        row.asked.clear()

    def _report(self, row: Session) -> None:
        self.desk.say(
            f"{row.side}_service_session_close_info", self.desk.number(),
            status=row.status or OWN, **self._parameters(row),
        )  # fmt: skip

    def _parameters(self, row: Session) -> dict[str, ssmmp.FieldValue]:
        """What this side knows of a session; a source says one new port, the listening one."""
        mine = self.desk.configuration
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


def _verdict(status: int) -> Event:
    if 200 <= status < 300:
        return Event.GRANTED
    if status == 409:
        return Event.TAKEN
    return Event.BUSY if status >= 500 or status in _BUSY else Event.REFUSED


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() and len(text) < 6 else 0.0
