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


class _ToldSession(NamedTuple):
    """One session as the agent of its source tells it; port 0 = offered, not connected yet."""

    source: str
    plug: str
    port: str
    address: str
    to_port: str
    new_port: str

    def fits(self, row: SessionRow) -> bool:
        """True if it may be this session, the port of the source left aside."""
        return (self.source, self.plug, self.address, self.to_port) == (
            str(row.source), row.plug, row.to_address, str(row.to_port)
        )  # fmt: skip


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
        by_source: dict[str, list[_ToldSession]] = {}
        for one in told:
            if len(one) == 6:
                by_source.setdefault(one[0], []).append(_ToldSession(*one))
        index, sessions = self.store.session_index, self.store.sessions
        for instance in list(self.store.instance_index.of(("on", row.key))):
            rows = [sessions[key] for key in index.of(("from", instance))]
            here = by_source.get(str(instance), [])
            for session in rows:
                if session.from_port and not _taken(session, here):
                    self.sessions.fire(session, "info", first="source", request=0)
            for session in rows:
                if not session.from_port:
                    self._unacked(session, here)

    def _unacked(self, row: SessionRow, told: list[_ToldSession]) -> None:
        """An offer whose ack never came: the agent tells it as open, under way, or not at all."""
        fitting = [one for one in told if one.fits(row)]
        done = [one for one in fitting if one.port != "0"]
        for one in done or fitting:
            told.remove(one)
            if one in done:
                ports = {"from_port": int(one.port), "new_port": int(one.new_port)}
                self.sessions.fire(row, "ack", **ports)
            return
        self.sessions.fire(row, "abandon")


def _taken(row: SessionRow, told: list[_ToldSession]) -> bool:
    """True if an open session is among those told; it is taken out."""
    for one in told:
        if one.port == str(row.from_port) and one.fits(row):
            told.remove(one)
            return True
    return False


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
    return [one for one in found if len(one) != 6 or (one[2] + one[5]).isdecimal()]


def _running(told: Tuples | None) -> Told | None:
    """What runs there; None if the agent did not say."""
    if told is None:
        return None
    instances = [one for one in told if len(one) >= 2 and one[1].isdecimal()]
    return {int(one[1]): one[0] for one in instances}


def _names(row: InstanceRow) -> tuple[str, str] | tuple[()]:
    """Names under which a wanted instance may be told; none for one that has been replaced."""
    return (row.service, row.program) if row.state is InstanceState.UNKNOWN else ()
