"""What an agent that is back says it runs, against what the Manager knows.

    x_running: ((service, instance id, port ...); ...)
    x_sessions: ((source id, plug, source port, dest address, dest port, new port); ...)
                port 0: offered, and not acknowledged yet

A list that is too long for one line goes on in x_running_2, x_running_3 ..., x_sessions_2 ...
Known and wanted instances are adopted (208); what is unknown or was replaced is killed; without
`x_running` everything that ran there is given up (205).
"""

from __future__ import annotations

from typing import NamedTuple

from ccproxy.protocols import ssmmp

from .rows import Agent, Instance, Session
from .state import Mesh
from .tables import ENDED, InstanceState

Told = dict[int, str]
"""Service by instance id, as the agent tells it."""
Lists = list[tuple[str, ...]]


class _Told(NamedTuple):
    """One session as the agent of its source tells it; port 0 = offered, not connected yet."""

    source: str
    plug: str
    port: str
    address: str
    to_port: str
    new_port: str

    def fits(self, row: Session) -> bool:
        """True if it may be this session, the port of the source left aside."""
        return (self.source, self.plug, self.address, self.to_port) == (
            str(row.source), row.plug, row.to_address, str(row.to_port)
        )  # fmt: skip


class Reconciler:
    """Compares; whatever follows is done by the machines."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    def returned(self, row: Agent, message: ssmmp.Message) -> None:
        """Answer a registration on a new connection, then bring both views together."""
        told = _running(_lists(message, "x_running"))
        known = self._known(row)
        adopted = {one.key for one in known if told and told.get(one.key) in _names(one)}
        self.mesh.agents.welcome(row.peer, self._status(known, told, adopted))
        for one in known:
            if one.key in adopted:
                self.mesh.instances.back(self.mesh.store.instances[one.key])
            else:
                self._give_up(row, one, told)
        for key in (told or {}).keys() - adopted:
            if key not in {one.key for one in known}:
                self._kill_stranger(row, key, (told or {})[key])
        self._sessions(row, _lists(message, "x_sessions"))

    def _known(self, row: Agent) -> list[Instance]:
        """What ran there: live as far as known, or ended with its ports still reserved."""
        index = self.mesh.store.instance_index
        keys = {**index.of(("on", row.key)), **index.of(("held", row.key))}
        return [self.mesh.store.instances[key] for key in keys]

    def _status(self, known: list[Instance], told: Told | None, adopted: set[int]) -> int:
        live = [one for one in known if one.state is InstanceState.UNKNOWN]
        if told is None:
            return 205 if known else 200
        if told and not adopted:
            return 205
        return 208 if adopted or live else 200

    def _give_up(self, row: Agent, one: Instance, told: Told | None) -> None:
        """An instance that is not adopted. One that is not among those told has ended, unless it
        was just starting, or nothing was told at all: then its end is asked for."""
        starting = one.was is InstanceState.STARTING
        if one.state is InstanceState.UNKNOWN:
            self.mesh.instances.missing(one)
        current = self.mesh.store.instances.get(one.key)
        if current is None or current.state not in ENDED:
            return
        if told is None or starting or one.key in told:
            self.mesh.instances.fire(one.key, "kill")
        else:
            self.mesh.instances.fire(one.key, "died")

    def _kill_stranger(self, row: Agent, key: int, service: str) -> None:
        self.mesh.notice("stranger", key, f"{service} on {row.key} is not known here")
        request = self.mesh.store.next("message")
        self.mesh.tell(
            row.peer,
            ssmmp.MANAGER_TO_AGENT.make(
                "hard_shutdown_request", request, service_name=service, service_instance_id=key
            ),
        )

    def _sessions(self, row: Agent, lists: Lists | None) -> None:
        """Sessions whose source is there: those not told are closed, those told are open."""
        if lists is None:
            return
        by_source: dict[str, list[_Told]] = {}
        for one in lists:
            if len(one) == 6:
                by_source.setdefault(one[0], []).append(_Told(*one))
        index, sessions = self.mesh.store.session_index, self.mesh.store.sessions
        for instance in list(self.mesh.store.instance_index.of(("on", row.key))):
            rows = [sessions[key] for key in index.of(("from", instance))]
            here = by_source.get(str(instance), [])
            for session in rows:
                if session.from_port and not _taken(session, here):
                    self.mesh.sessions.fire(session, "info", first="source", request=0)
            for session in rows:
                if not session.from_port:
                    self._unacked(session, here)

    def _unacked(self, row: Session, told: list[_Told]) -> None:
        """An offer whose ack never came: it is open, under way, or nobody knows of it."""
        fitting = [one for one in told if one.fits(row)]
        done = [one for one in fitting if one.port != "0"]
        for one in done or fitting:
            told.remove(one)
            if one in done:
                ports = {"from_port": int(one.port), "new_port": int(one.new_port)}
                self.mesh.sessions.fire(row, "ack", **ports)
            return
        self.mesh.sessions.fire(row, "abandon")


def _taken(row: Session, told: list[_Told]) -> bool:
    """True if an open session is among those told; it is taken out."""
    for one in told:
        if one.port == str(row.from_port) and one.fits(row):
            told.remove(one)
            return True
    return False


def _lists(message: ssmmp.Message, name: str) -> Lists | None:
    """The tuples of an extension line and of those that go on with it; None without it."""
    found = message.extra(name)
    if found is None:
        return None
    lists = _tuples(found)
    number = 2
    while (more := message.extra(f"{name}_{number}")) is not None:
        lists += _tuples(more)
        number += 1
    return lists


def _tuples(text: str) -> Lists:
    try:
        found = ssmmp.tuples(text)
    except ValueError:
        return []
    return [one for one in found if len(one) != 6 or (one[2] + one[5]).isdecimal()]


def _running(lists: Lists | None) -> Told | None:
    """What runs there; None if the agent did not say."""
    if lists is None:
        return None
    told = [one for one in lists if len(one) >= 2 and one[1].isdecimal()]
    return {int(one[1]): one[0] for one in told}


def _names(row: Instance) -> tuple[str, str] | tuple[()]:
    """Names under which a wanted instance may be told; none for one that has been replaced."""
    return (row.service, row.program) if row.state is InstanceState.UNKNOWN else ()
