"""What an operator sees: the state as neutral values, ready for JSON or tables.

It reads the state and must never change any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain, islice
from typing import Any

from .engine.engine import Manager
from .engine.rows import AgentRow, AlarmRow, InstanceRow, OperationRow, SessionRow
from .engine.state import State
from .engine.tables import CONNECTED

Fields = dict[str, Any]

MOST_NODES = 20
MOST_ROWS = 40
"""Rows of the tables of an overview."""
NODE_FIELDS = "agent", "address", "state", "heard", "instances"
SERVICE_FIELDS = "service", "program", "running", "target", "waiting", "broken", "down"
INSTANCE_FIELDS = "instance", "service", "agent", "state", "since", "health", "in", "out"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the table `what`: at most `most` rows, those whose keys come after `after`; None =
    from the first one on. `all` = with sessions whose end was reported."""

    what: str
    after: str | int | None = None
    most: int = 200
    all: bool = False


def page(manager: Manager, now: float, wanted: Page) -> tuple[list[Fields], str | int | None]:
    """The rows of a page, and the key they end with if there are more; ValueError if there is
    no such table. A table may be too long to be shown in one go without blocking the loop."""
    state, store = manager.state, manager.state.store
    tables: dict[str, tuple[Iterable[Any], Callable[[Any], Fields]]] = {
        "agents": (store.agents, lambda key: _agent(manager, store.agents[key], now)),
        "services": (state.graph.services, lambda key: _service(state, key)),
        "instances": (store.instances, lambda key: _instance(state, store.instances[key], now)),
        "sessions": (_sessions(state, wanted.all), lambda key: _session(store.sessions[key], now)),
        "operations": (store.operations, lambda key: _operation(store.operations[key])),
        "alarms": (store.alarms, lambda key: _alarm(store.alarms[key], now)),
    }
    if wanted.what not in tables:
        raise ValueError(f"no table {wanted.what!r}, expected one of {', '.join(tables)}")
    keys, line = tables[wanted.what]
    after = wanted.after
    number = wanted.what in ("instances", "sessions", "operations")
    if after is not None and type(after) is not (int if number else str):
        raise ValueError(f"after = {after!r:.80}, expected {'a number' if number else 'a name'}")
    found = nsmallest(wanted.most + 1, (one for one in keys if after is None or one > after))
    more = len(found) > wanted.most
    found = found[: wanted.most]
    return [line(key) for key in found], found[-1] if more else None


def _sessions(state: State, all: bool) -> Iterable[int]:
    """The keys of sessions. Those that have not ended are found by the indexes, since there may be
    many more that have."""
    if all:
        return state.store.sessions
    index = state.store.session_index
    groups = [index.of(("edge", source, edge.plug)) for source, edge in state.graph.edges()]
    groups += [index.of(("waiting", name)) for name in state.graph.services]
    return chain.from_iterable(groups)


def summary(manager: Manager) -> Fields:
    """How many agents, instances, sessions and operations there are, by state; and alarms."""
    tally = manager.state.store.tally
    found: Fields = {"app": manager.state.graph.name}
    for table in ("agent", "instance", "session", "operation"):
        counts = {str(state): n for (of, state), n in tally.items() if of == table and n and state}
        found[f"{table}s"] = dict(sorted(counts.items()))
    found["alarms"] = len(manager.state.store.alarms)
    return found


def overview(manager: Manager, now: float) -> dict[str, list[Fields]]:
    """The first nodes, services, instances, and edges with open sessions, for the live page: a look
    at the status must stay short with any number of them."""
    state, store = manager.state, manager.state.store
    agents = islice(store.agents.values(), MOST_NODES)
    services = islice(state.graph.services, MOST_ROWS)
    instances = islice(store.instances.values(), MOST_ROWS)
    return {
        "nodes": [_of(_agent(manager, one, now), NODE_FIELDS) for one in agents],
        "services": [_of(_service(state, one), SERVICE_FIELDS) for one in services],
        "instances": [_of(_instance(state, one, now), INSTANCE_FIELDS) for one in instances],
        "sessions": edges(manager, MOST_ROWS),
    }


def _of(fields: Fields, names: tuple[str, ...]) -> Fields:
    found = {name: fields[name] for name in names}
    return {name: len(one) if isinstance(one, list) else one for name, one in found.items()}


def status(manager: Manager, now: float) -> dict[str, list[Fields]]:
    """Agents, services, instances, edges and operations; ages in seconds."""
    state, store = manager.state, manager.state.store
    return {
        "agents": [_agent(manager, one, now) for one in store.agents.values()],
        "services": [_service(state, name) for name in state.graph.services],
        "instances": [_instance(state, one, now) for one in store.instances.values()],
        "edges": edges(manager),
        "operations": [_operation(one) for one in store.operations.values()],
        "alarms": [_alarm(one, now) for one in store.alarms.values()],
    }


def sessions(manager: Manager, now: float) -> list[Fields]:
    """Every session that is not forgotten yet."""
    return [_session(one, now) for one in manager.state.store.sessions.values()]


def edges(manager: Manager, most: int | None = None) -> list[Fields]:
    """Every abstract connection with its open sessions, or the first of them."""
    state = manager.state
    return [
        {
            "source": source,
            "plug": edge.plug,
            "service": edge.service,
            "socket": edge.socket,
            "open": state.store.session_index.size(("edge", source, edge.plug)),
        }
        for source, edge in islice(state.graph.edges(), most)
    ]


def _age(now: float, since: float) -> float:
    """Seconds since a time; 0 if it was noted by a clock that was set back before a restart."""
    return max(0.0, round(now - since, 1))


def _agent(manager: Manager, row: AgentRow, now: float) -> Fields:
    heard = manager.health.heard.get(row.peer)
    return {
        "agent": row.key,
        "address": row.address,
        "state": row.state.value,
        "heard": None if heard is None else _age(now, heard),
        "repository": list(row.repository),
        "instances": list(manager.state.store.instance_index.of(("on", row.key))),
    }


def _service(state: State, name: str) -> Fields:
    desired, index = state.desired(name), state.store.instance_index
    return {
        "service": name,
        "program": desired.program,
        "start": state.graph.services[name].start,
        "target": desired.target,
        "running": index.size(("ready", name)) + index.size(("poor", name)),
        "live": index.size(("live", name)),
        "waiting": state.store.session_index.size(("waiting", name)),
        "broken": desired.broken,
        "down": desired.down,
    }


def _instance(state: State, row: InstanceRow, now: float) -> Fields:
    index = state.store.session_index
    return {
        "instance": row.key,
        "service": row.service,
        "program": row.program,
        "agent": row.agent,
        "state": row.state.value,
        "since": _age(now, row.since),
        "sockets": {name: port for name, port in row.sockets},
        "health": row.health,
        "status": row.status,
        "in": index.size(("to", row.key)),
        "out": index.size(("from", row.key)),
    }


def _session(row: SessionRow, now: float) -> Fields:
    return {
        "session": row.key,
        "edge": f"{row.source_service}.{row.plug} -> {row.service}.{row.socket}",
        "source": row.source,
        "dest": row.dest,
        "from": [row.from_address, row.from_port],
        "to": [row.to_address, row.to_port],
        "state": row.state.value,
        "stuck": row.stuck and row.state in CONNECTED,
        "since": _age(now, row.since),
    }


def _operation(row: OperationRow) -> Fields:
    done, all_ = row.progress
    steps = [f"{one.kind} {one.subject}: {one.state}" for one in row.steps]
    return {
        "operation": row.key,
        "command": row.command,
        "state": row.state,
        "done": done,
        "steps": steps,
        "of": all_,
        "reason": row.reason,
    }


def _alarm(row: AlarmRow, now: float) -> Fields:
    return {
        "alarm": row.what,
        "subject": row.subject,
        "since": _age(now, row.since),
        "detail": row.detail,
    }
