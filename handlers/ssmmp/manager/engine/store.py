"""The state of the Manager: tables of rows, their indexes, and the journal of their changes.

`put`, `drop` and `next` are the only ways to change anything, and each leaves a Record: so the
records up to any point in time give back the state of that point. It must never decide anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any

from ...journal import Key, Record
from .actions import Action
from .index import Index
from .least_loaded import LeastLoaded
from .rows import (
    COUNTER,
    NAMES,
    AgentRow,
    AlarmRow,
    DesiredState,
    InstanceRow,
    NodeFailures,
    OperationRow,
    SessionRow,
    StateRow,
)
from .tables import CLOSES, CONNECTED, LEAVING, LIVE, PENDING, STAYING, InstanceState, SessionState

_HEALTHY = range(200, 300)


def staying(row: InstanceRow) -> bool:
    """True for an instance that its service has, as against one that ends or has ended."""
    if row.state is InstanceState.UNKNOWN:
        return row.previous_state not in LEAVING
    return row.state in STAYING


def leaving(row: InstanceRow) -> bool:
    """True for a live instance that is about to end."""
    return row.state in LIVE and not staying(row)


def _instance_groups(row: InstanceRow) -> tuple[Hashable, ...]:
    groups: list[Hashable] = []
    if row.state in LIVE:
        groups += [("live", row.service), ("on", row.agent)]
        groups.append(("on", row.agent, row.service))
        if staying(row):
            groups.append(("staying", row.service))
    if row.state is InstanceState.PLANNED:
        groups.append(("planned", row.service))
    if row.state is InstanceState.RUNNING:
        good = row.health in _HEALTHY or not row.health
        groups.append(("ready" if good else "poor", row.service))
    if row.state is InstanceState.UNKNOWN and staying(row):
        groups.append(("unknown", row.service))
    if row.ports_reserved:
        groups += [("port", row.address, port) for _, port in row.sockets]
        groups.append(("ports reserved", row.agent))
    if row.request:
        groups.append(("request", row.request))
    return tuple(groups)


def _session_groups(row: SessionRow) -> tuple[Hashable, ...]:
    groups: list[Hashable] = []
    if row.state in CONNECTED:
        groups += [("from", row.source), ("to", row.dest), ("edge", row.source_service, row.plug)]
        groups.append(("into", row.service))
    if row.state in PENDING or (row.state in CLOSES and not row.from_port):
        groups.append(("pending", row.agent, row.message))
        if row.dest and not row.from_port:
            groups += [("unacked from", row.source, row.plug), ("unacked to", row.dest, row.plug)]
    if row.state is SessionState.WAITING:
        groups += [("waiting", row.service), ("waits", row.source), ("waits at", row.agent)]
    if row.from_port:
        ends = row.from_port, row.to_address, row.to_port
        groups += [("ends", row.from_address, *ends), ("far", *ends)]
    if row.status in (502, 504) and row.state is SessionState.CLOSED:
        groups.append(("unreached", row.source, row.dest))
    if row.request:
        groups.append(("request", row.request))
    return tuple(groups)


def _agent_groups(row: AgentRow) -> tuple[Hashable, ...]:
    return (
        (("peer", row.peer), ("address", row.address)) if row.peer else (("address", row.address),)
    )


class Store:
    """`log` receives a Record for each change; it is the list of actions of the current call."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentRow] = {}
        self.instances: dict[int, InstanceRow] = {}
        self.sessions: dict[int, SessionRow] = {}
        self.desired: dict[str, DesiredState] = {}
        self.failures: dict[str, NodeFailures] = {}
        self.operations: dict[int, OperationRow] = {}
        self.alarms: dict[str, AlarmRow] = {}
        self.counters: dict[str, int] = {}
        self.agent_index: Index[AgentRow, str] = Index(_agent_groups)
        self.instance_index: Index[InstanceRow, int] = Index(_instance_groups)
        self.session_index: Index[SessionRow, int] = Index(_session_groups)
        self.least_loaded = LeastLoaded(self.instance_index, self.session_index)
        self.tally: Counter[tuple[str, str]] = Counter()
        """How many rows there are, by table and state."""
        self.log: list[Action] = []
        self._tables: dict[str, dict[Any, Any]] = {
            "agent": self.agents, "instance": self.instances, "session": self.sessions,
            "goal": self.desired, "trouble": self.failures, "operation": self.operations,
            "alarm": self.alarms, COUNTER: self.counters,
        }  # fmt: skip
        self._indexes: dict[str, Index[Any, Any]] = {
            "agent": self.agent_index,
            "instance": self.instance_index,
            "session": self.session_index,
        }
        self._due: list[tuple[float, str, Key]] = []

    def put(self, row: StateRow) -> None:
        """`row` is the row of its key from now on."""
        self.apply(Record(NAMES[type(row)], row.key, row))

    def drop(self, row: StateRow) -> None:
        """There is no such row any more."""
        self.apply(Record(NAMES[type(row)], row.key, None))

    def next(self, counter: str) -> int:
        """The next number of a counter; no number is given out twice, not even by a restart."""
        number = self.counters.get(counter, 0) + 1
        self.apply(Record(COUNTER, counter, number))
        return number

    def apply(self, record: Record) -> None:
        """Make the change of a record, and log it."""
        table = self._tables[record.table]
        index = self._indexes.get(record.table)
        if index is not None:
            index.update(record.key, table.get(record.key), record.row)
        old = table.get(record.key)
        if record.row is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.row
            deadline = getattr(record.row, "deadline", 0.0)
            if deadline:
                heappush(self._due, (deadline, record.table, record.key))
        self._note_loads(record.table, old, record.row)
        self.log.append(record)

    def _note_loads(self, table: str, old: Any, new: Any) -> None:
        """Note whose load has changed, and how many there are in which state."""
        before, state = getattr(old, "state", ""), getattr(new, "state", "")
        if before != state:
            self.tally[table, before] -= 1
            self.tally[table, state] += 1
        for row in (old, new):
            if isinstance(row, SessionRow) and row.dest in self.instances:
                self.least_loaded.note(self.instances[row.dest].service, row.dest)
        if isinstance(new, InstanceRow):
            self.least_loaded.note(new.service, new.key)

    def restore(self, records: Iterable[Record]) -> None:
        """Apply the records of a journal, in their order."""
        for record in records:
            self.apply(record)
        self.log.clear()
        self._due = [one for one in self._due if self._current(*one)]
        heapify(self._due)

    def due(self, now: float) -> StateRow | None:
        """One row whose deadline has come, None if there is none; each deadline comes once."""
        while self._due and self._due[0][0] <= now:
            deadline, table, key = heappop(self._due)
            if self._current(deadline, table, key):
                row: StateRow = self._tables[table][key]
                return row
        return None

    def next_deadline(self) -> float | None:
        """When the next deadline comes, None if there is none."""
        while self._due and not self._current(*self._due[0]):
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def _current(self, deadline: float, table: str, key: Key) -> bool:
        row = self._tables[table].get(key)
        return row is not None and row.deadline == deadline

    def tables(self) -> dict[str, dict[Any, Any]]:
        """Copies of all tables by name: the state that the journal holds."""
        return {name: dict(table) for name, table in self._tables.items()}

    def snapshot(self) -> list[Record]:
        """The fewest records that give this state, counters included."""
        return [
            Record(name, key, row)
            for name, table in self._tables.items()
            for key, row in table.items()
        ]
