"""Which sessions are closed, and in which order: for a drain, after a failure, without an agent.

It must never end an instance: when a draining one has no session left, it says so with an event.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest

from .events import InstanceEmpty, SessionsOrphaned
from .rows import SessionRow
from .sessions import SessionMachine
from .state import State
from .tables import CONNECTED, InstanceState, SessionState

SESSIONS_AT_ONCE = 50
"""Sessions of an instance that are dealt with in one call."""


class Closing:
    """Closes the sessions of instances; how a single one is closed is the session machine's."""

    def __init__(self, state: State, sessions: SessionMachine) -> None:
        self.state = state
        self.store = state.store
        self.sessions = sessions

    def begin(self, key: int) -> None:
        """A drain begins, perhaps anew: what could not be closed before is tried again."""
        index, sessions = self.store.session_index, self.store.sessions
        for one in [*index.of(("to", key)), *index.of(("from", key))]:
            if sessions[one].stuck:
                self.store.put(replace(sessions[one], stuck=False, asked=""))
        self.advance(key)

    def advance(self, key: int) -> None:
        """Bring a draining instance one step further: first the sessions to it are closed, then
        those from it, storage last. It is empty when none is left that is worth waiting for.

        A gateway goes on to serve its users until it is asked to end: only the sessions that it has
        when its drain begins are closed, and it may ask for others."""
        if not self._draining(key) or self._close_some(("to", key), (True, False)):
            return
        if not self.state.is_gateway(self.store.instances[key].service):
            self.sessions.refuse_waiting(("waits", key), 410)
        outgoing = ("from", key)
        if self._close_some(outgoing, (False,)) or self._close_some(outgoing, (True,)):
            return
        if self._draining(key):
            self.state.pending.append(InstanceEmpty(key))

    def _draining(self, key: int) -> bool:
        row = self.store.instances.get(key)
        return row is not None and row.state is InstanceState.DRAINING

    def _close_some(self, group: tuple[str, int], storage: tuple[bool, ...]) -> bool:
        """Close sessions of a group, close_parallel at a time; True while some are left.

        `storage` says whether sessions with services that store data are meant, or the others.
        """
        todo: list[SessionRow] = []
        busy = 0
        for key in self.store.session_index.of(group):
            row = self.store.sessions[key]
            if not self._worth_waiting_for(row) or self._stores(row) not in storage:
                continue
            if row.state is SessionState.CLOSING or row.unwanted:
                busy += 1
            else:
                todo.append(row)
            if busy + len(todo) >= self.state.settings.close_parallel:
                break
        for row in todo:
            end = "dest" if row.stuck and row.asked == "source" else "source"
            self.sessions.close(row, end)
        return busy > 0 or any(self._left(row.key) for row in todo)

    def _stores(self, row: SessionRow) -> bool:
        service = self.state.service(row.service)
        return service is not None and service.kind == "baas"

    def _left(self, key: int) -> bool:
        row = self.store.sessions.get(key)
        return row is not None and self._worth_waiting_for(row)

    def _worth_waiting_for(self, row: SessionRow) -> bool:
        """True for a session that a drain waits for."""
        if row.state not in CONNECTED or (row.stuck and row.asked == "both"):
            return False
        source = self.store.instances.get(row.source)
        if source is None or source.state is not InstanceState.DRAINING:
            return True
        begun_before = row.since <= source.since or row.state is SessionState.CLOSING
        return begun_before or not self.state.is_gateway(source.service)

    def far_ends(self, key: int, after: tuple[str, int] = ("", 0)) -> None:
        """An instance has ended or is being killed: its sessions are closed by their other ends;
        those behind `after`, the end and the session that were the last ones, some at a time."""
        index = self.store.session_index
        for waiting in list(index.of(("waits", key))):
            self.sessions.fire(self.store.sessions[waiting], "abandon")
        ends = [("dest", one) for one in index.of(("from", key))]
        ends += [("source", one) for one in index.of(("to", key))]
        todo = nsmallest(SESSIONS_AT_ONCE + 1, (one for one in ends if one > after))
        for end, session in todo[:SESSIONS_AT_ONCE]:
            self._far_end(session, end)
        if len(todo) > SESSIONS_AT_ONCE:
            self.state.defer(SessionsOrphaned(key, todo[SESSIONS_AT_ONCE - 1]))

    def _far_end(self, key: int, end: str) -> None:
        row = self.store.sessions.get(key)
        if row is None or row.state not in CONNECTED:
            return
        if row.state is SessionState.CLOSING:
            if row.end != end:
                self.sessions.fire(row, "unclosed", request=0)
            return
        if row.state is SessionState.OFFERED and end == "source":
            return
        if row.state is SessionState.OFFERED or not self.sessions.reachable(row, end):
            self.sessions.fire(row, "abandon")
            return
        self.sessions.ask_to_close(row, end, "both")

    def close_surplus(self, key: int, most: int) -> bool:
        """Close sessions to an instance until it has `most`, close_parallel at a time; False if
        none is left that could be closed."""
        rows = [self.store.sessions[one] for one in self.store.session_index.of(("to", key))]
        rows = [one for one in rows if one.state in CONNECTED and not one.stuck]
        busy = [one for one in rows if one.state is SessionState.CLOSING or one.unwanted]
        surplus = len(rows) - len(busy) - most
        room = min(surplus, self.state.settings.close_parallel - len(busy))
        todo = [one for one in rows if one.state is SessionState.OPEN][: max(0, room)]
        for row in todo:
            self.sessions.close(row)
        return bool(busy or todo)

    def agent_gone(self, agent: str) -> None:
        """What was asked of instances of an agent without connection is not answered any more."""
        index = self.store.session_index
        for instance in list(self.store.instance_index.of(("on", agent))):
            for group, end in (("from", "source"), ("to", "dest")):
                for key in list(index.of((group, instance))):
                    self._unanswered(key, end)
        for key in list(index.of(("waits at", agent))):
            self.sessions.fire(self.store.sessions[key], "abandon")

    def _unanswered(self, key: int, end: str) -> None:
        row = self.store.sessions.get(key)
        if row and row.state is SessionState.CLOSING and row.end == end:
            self.sessions.fire(row, "unclosed", request=0)
