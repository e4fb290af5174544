"""Alarms that stand until their cause is gone: raised once, shown as long as they stand, cleared
with a line.

What only happens once, such as an operation that fails, is a notice and no row. This module must
never decide whether there is a cause.
"""

from __future__ import annotations

from .rows import AlarmRow
from .state import State

NO_PLACE = "no place"
"""An instance of this service has found no node for start_timeout."""
AT_MOST = "at its most"
"""This service has as many instances as the graph allows, and each has scale_at sessions."""
GIVEN_UP = "given up"
"""A service has failed restart_limit times on a node, and is not started there for a time."""
BROKEN = "broken"
"""The program of this service does not fit the graph."""
LOST = "lost"
"""This agent has been away for agent_lost."""


def alarm_key(what: str, subject: str) -> str:
    """The key of an alarm."""
    return f"{what} {subject}"


class Alarms:
    """`subject` is a service, an agent, or a service on a node."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.store = state.store

    def stands(self, what: str, subject: str) -> bool:
        """True between `begin` and `end`."""
        return alarm_key(what, subject) in self.store.alarms

    def begin(self, what: str, subject: str, detail: str) -> None:
        """There is a cause for an alarm; what it says first is what it says."""
        if self.stands(what, subject):
            return
        key = alarm_key(what, subject)
        self.store.put(AlarmRow(key, what, subject, detail, self.state.now))
        self.state.alarm(what, subject, detail)

    def end(self, what: str, subject: str) -> None:
        """There is no cause any more."""
        row = self.store.alarms.get(alarm_key(what, subject))
        if row is not None:
            self.store.drop(row)
            self.state.notice("cleared", subject, what)
