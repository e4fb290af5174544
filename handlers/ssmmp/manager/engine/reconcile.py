"""What an agent that is back says it runs, against what the Manager knows.

    x_running: ((service, instance id, port ...); ...)
    x_sessions: ((source id, plug, source port, dest address, dest port, new port); ...)
                port 0: offered, and not acknowledged yet

A list that is too long for one line goes on in x_running_2, x_running_3 ..., x_sessions_2 ...
Known and wanted instances are adopted (208); what is unknown or was replaced is killed; without
`x_running` everything that ran there is given up (205). It must never change a row itself.
"""

from __future__ import annotations

from typing import NamedTuple

from ccproxy.protocols import ssmmp

from .instances import InstanceMachine
from .rows import AgentRow, InstanceRow, SessionRow
from .sessions import SessionMachine
from .state import State
from .tables import ENDED, InstanceState

Told = dict[int, str]
"""Service by instance id, as the agent tells it."""
Tuples = list[tuple[str, ...]]
OFFERED = "0"
"""The port that is told of a session that was offered and is not connected yet."""
MAX_DIGITS = 19
"""Ids are below 2^63; a text of 5,000 digits is no number for Python either."""


class _ToldSession(NamedTuple):
    """One session as the agent of its source tells it; port 0 = offered, not connected yet."""

    source: str
    plug: str
    port: str
    address: str
    to_port: str
    new_port: str


class _ToldSessions:
    """What an agent tells of one instance, to be taken out one by one: an instance may have ten
    thousand sessions, so each is found without a look at the others."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], dict[str, list[_ToldSession]]] = {}

    def add(self, one: _ToldSession) -> None:
        """One more."""
        ports = self._found.setdefault((one.plug, one.address, one.to_port), {})
        ports.setdefault(one.port, []).append(one)

    def take(self, row: SessionRow, port: str) -> _ToldSession | None:
        """Take out one that may be this session, with that port of its source; None if there is
        none."""
        ports = self._ports(row)
        found = ports.get(port)
        if not found:
            return None
        one = found.pop()
        if not found:
            del ports[port]
        return one

    def connected(self, row: SessionRow) -> str:
        """The port of one that may be this session and is connected; else "0"."""
        return next((port for port in self._ports(row) if port != OFFERED), OFFERED)

    def _ports(self, row: SessionRow) -> dict[str, list[_ToldSession]]:
        return self._found.get((row.plug, row.to_address, str(row.to_port)), {})


class Reconciler:
    """Compares; what follows is done by the machines."""

    def __init__(self, state: State, sessions: SessionMachine, instances: InstanceMachine) -> None:
        self.state = state
        self.store = state.store
        self.sessions = sessions
        self.instances = instances

    def welcome(self, peer: str, message: ssmmp.SsmmpMessage, status: int) -> None:
        """initiation_response to an initiation_request. An agent that announced extensions is told
        that it may use them."""
        extras = (("x_ssmmp", "1"),) if message.extra("x_ssmmp") is not None else ()
        made = ssmmp.MANAGER_TO_AGENT.make("initiation_response", message.id, extras, status=status)
        self.state.tell(peer, made)

    def returned(self, row: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """Answer a registration on a new connection, then bring both views together."""
        told = _running(_tuples_of(message, "x_running"))
        known = self._known(row)
        adopted = {one.key for one in known if told and told.get(one.key) in _names(one)}
        self.welcome(row.peer, message, self._status(known, told, adopted))
        for one in known:
            if one.key in adopted:
                self.instances.back(self.store.instances[one.key])
            else:
                self._give_up(one, told)
        here = {one.key for one in known}
        for key, service in (told or {}).items():
            if key not in here:
                self._kill_stranger(row, key, service)
        self._sessions(row, _tuples_of(message, "x_sessions"))

    def _known(self, row: AgentRow) -> list[InstanceRow]:
        """What ran there: live as far as known, or ended with its ports still reserved."""
        index = self.store.instance_index
        keys = {**index.of(("on", row.key)), **index.of(("ports reserved", row.key))}
        return [self.store.instances[key] for key in keys]

    def _status(self, known: list[InstanceRow], told: Told | None, adopted: set[int]) -> int:
        live = [one for one in known if one.state is InstanceState.UNKNOWN]
        if told is None:
            return 205 if known else 200
        if told and not adopted:
            return 205
        return 208 if adopted or live else 200

    def _give_up(self, one: InstanceRow, told: Told | None) -> None:
        """An instance that is not adopted. One that is not among those told has ended, unless it
        was just starting, or nothing was told at all: then its end is asked for."""
        starting = one.previous_state is InstanceState.STARTING
        if one.state is InstanceState.UNKNOWN:
            self.instances.missing(one)
        current = self.store.instances.get(one.key)
        if current is None or current.state not in ENDED:
            return
        if told is None or starting or one.key in told:
            self.instances.fire(one.key, "kill")
        else:
            self.instances.fire(one.key, "died")

    def _kill_stranger(self, row: AgentRow, key: int, service: str) -> None:
        self.state.notice("stranger", key, f"{service} on {row.key} is not known here")
        request = self.store.next("message")
        self.state.tell(
            row.peer,
            ssmmp.MANAGER_TO_AGENT.make(
                "hard_shutdown_request", request, service_name=service, service_instance_id=key
            ),
        )

    def _sessions(self, row: AgentRow, told: Tuples | None) -> None:
        """Sessions whose source is there: those not told are closed, those told are open."""
        if told is None:
            return
        by_source: dict[str, _ToldSessions] = {}
        for one in told:
            if len(one) == 6:
                by_source.setdefault(one[0], _ToldSessions()).add(_ToldSession(*one))
        index, sessions = self.store.session_index, self.store.sessions
        for instance in list(self.store.instance_index.of(("on", row.key))):
            rows = [sessions[key] for key in index.of(("from", instance))]
            here = by_source.get(str(instance), _ToldSessions())
            for session in rows:
                if session.from_port and not here.take(session, str(session.from_port)):
                    self.sessions.fire(session, "info", first="source", request=0)
            for session in rows:
                if not session.from_port:
                    self._unacked(session, here)

    def _unacked(self, row: SessionRow, told: _ToldSessions) -> None:
        """An offer whose ack never came: the agent tells it as open, under way, or not at all."""
        found = told.take(row, told.connected(row))
        if found is None:
            self.sessions.fire(row, "abandon")
        elif found.port != OFFERED:
            ports = {"from_port": int(found.port), "new_port": int(found.new_port)}
            self.sessions.fire(row, "ack", **ports)


def _tuples_of(message: ssmmp.SsmmpMessage, name: str) -> Tuples | None:
    """The tuples of an extension line and of those that go on with it; None without it."""
    found = message.extra(name)
    if found is None:
        return None
    told = _tuples(found)
    number = 2
    while (more := message.extra(f"{name}_{number}")) is not None:
        told += _tuples(more)
        number += 1
    return told


def _tuples(text: str) -> Tuples:
    try:
        found = ssmmp.tuples(text)
    except ValueError:
        return []
    return [one for one in found if len(one) != 6 or (_number(one[2]) and _number(one[5]))]


def _number(text: str) -> bool:
    """True for an id or a port, and for no number that is too long to be one."""
    return len(text) < MAX_DIGITS and text.isascii() and text.isdecimal()


def _running(told: Tuples | None) -> Told | None:
    """What runs there; None if the agent did not say."""
    if told is None:
        return None
    instances = [one for one in told if len(one) >= 2 and _number(one[1])]
    return {int(one[1]): one[0] for one in instances}


def _names(row: InstanceRow) -> tuple[str, str] | tuple[()]:
    """Names under which a wanted instance may be told; none for one that has been replaced."""
    return (row.service, row.program) if row.state is InstanceState.UNKNOWN else ()
