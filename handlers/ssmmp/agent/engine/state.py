"""What the parts of one agent share: rows, repository, settings, the time, the actions so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ccproxy.protocols import ssmmp

from ...notices import Count, Notice
from ...repository import Repository
from .actions import Action, Record, ToInstance, ToManager
from .rows import Connection, Process
from .settings import Settings
from .tables import PROCESS, LinkState

if TYPE_CHECKING:
    from .health import Checks
    from .link import Link
    from .processes import Processes
    from .relay import Relay


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the agent is: its address and node name towards the Manager, and where it listens."""

    address: str
    node: str = ""
    listens: str = ""


class House:
    """`conns` are the control connections by instance; they are not journalled."""

    checks: Checks
    link: Link
    processes: Processes
    relay: Relay

    def __init__(
        self,
        identity: Identity,
        repository: Repository,
        settings: Settings,
        token: Callable[[], str],
    ) -> None:
        self.identity = identity
        self.repository = repository
        self.settings = settings
        self.token = token
        self.rows: dict[int, Process] = {}
        self.connections: dict[str, Connection] = {}
        self.conns: dict[int, str] = {}
        self.owners: dict[str, int] = {}
        self.log: list[Action] = []
        self.now = 0.0
        self._number = 0

    def number(self) -> int:
        """An id for a message of the agent's own; unused by this agent since its start."""
        self._number = max(self._number + 1, int(self.now * 1000))
        return self._number

    def put(self, row: Process | Connection) -> None:
        """`row` is the row of its key from now on."""
        if isinstance(row, Process):
            self.rows[row.key] = row
            self.log.append(Record("process", row.key, row))
            return
        self.connections[row.key] = row
        self.log.append(Record("connection", row.key, row))

    def drop(self, row: Process | Connection) -> None:
        """There is no such row any more."""
        if isinstance(row, Process):
            self.rows.pop(row.key, None)
            self.log.append(Record("process", row.key, None))
            return
        if self.connections.pop(row.key, None):
            self.log.append(Record("connection", row.key, None))

    def step(self, row: Process, event: str, **changes: Any) -> tuple[str, ...] | None:
        """Take the cell of the table of processes; None if it has no rule, which is counted."""
        rule = PROCESS.rule(row.state, event)
        if rule is None:
            self.count(f"ignored.process.{row.state}.{event}")
            return None
        if rule.next != row.state:
            timer = PROCESS.timers.get(rule.next)
            deadline = self.now + getattr(self.settings, timer) if timer else 0.0
            changes.setdefault("deadline", deadline)
            changes.update(state=rule.next, since=self.now)
        if changes:
            self.put(replace(row, **changes))
        return rule.does

    def answer(self, type: str, id: int, status: int, **fields: ssmmp.Value) -> None:
        """Answer a request of the Manager; nothing if there is none."""
        if id:
            made = ssmmp.AGENT_TO_MANAGER.make(type, id, status=status, **fields)
            self.to_manager(ssmmp.trimmed(made, ssmmp.Edition.BASE))

    def to_manager(self, message: ssmmp.Message) -> None:
        """Send a message to the Manager; counted and dropped while there is no registration."""
        registering = message.type == "initiation_request"
        if self.link.state is not LinkState.REGISTERED and not registering:
            self.count(f"unlinked.{message.type}")
            return
        self.log.append(ToManager(message))

    def to_instance(self, instance: int, message: ssmmp.Message) -> bool:
        """Send a message to an instance; False if it is not attached."""
        conn = self.conns.get(instance)
        if conn is None:
            return False
        self.log.append(ToInstance(conn, message))
        return True

    def count(self, name: str) -> None:
        """Count something that went unanswered."""
        self.log.append(Count(name))

    def notice(self, what: str, subject: object, detail: str = "", *, alarm: bool = False) -> None:
        """Tell the operator."""
        self.log.append(Notice(what, str(subject), detail, alarm))
