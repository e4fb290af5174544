"""What the parts of one agent share: rows, repository, settings, the time, the actions so far.

It is the lowest floor of the engine: every part gets it and it knows none of them. It must never
decide what a message or an event means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ccproxy.protocols import ssmmp

from ...journal import Record
from ...notices import Count, Notice
from ...repository import Repository
from .actions import AgentAction, ToInstance, ToManager
from .rows import LinkRow, OpenSession, ProcessRow
from .settings import AgentSettings
from .tables import LinkState

MAX_REASON = 200
"""Characters of a reason that is told to the Manager."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The agent's address and node name as the Manager knows them, and where instances reach it."""

    address: str
    node: str = ""
    listens: str = ""


class State:
    """`rows` and `sessions` are journalled. `controls` (control connection by instance), `owners`
    (instance by control connection) and `link` last only as long as the connections, and so
    does `extensions`: the Manager knows lines that are not in the base edition."""

    def __init__(
        self,
        identity: Identity,
        repository: Repository,
        settings: AgentSettings,
        token: Callable[[], str],
    ) -> None:
        self.identity = identity
        self.repository = repository
        self.settings = settings
        self.token = token
        self.rows: dict[int, ProcessRow] = {}
        self.sessions: dict[str, OpenSession] = {}
        self.controls: dict[int, str] = {}
        self.owners: dict[str, int] = {}
        self.link = LinkRow()
        self.extensions = False
        self.log: list[AgentAction] = []
        self.now = 0.0
        self._number = 0

    @property
    def registered(self) -> bool:
        """True while the Manager knows this agent."""
        return self.link.state is LinkState.REGISTERED

    def number(self) -> int:
        """A message id that this agent has not used since its start."""
        self._number = max(self._number + 1, int(self.now * 1000))
        return self._number

    def put(self, row: ProcessRow | OpenSession) -> None:
        """From now on `row` is the row of its key."""
        if isinstance(row, ProcessRow):
            self.rows[row.key] = row
            self.log.append(Record("process", row.key, row))
            return
        self.sessions[row.key] = row
        self.log.append(Record("connection", row.key, row))

    def drop(self, row: ProcessRow | OpenSession) -> None:
        """Forget a row."""
        if isinstance(row, ProcessRow):
            self.rows.pop(row.key, None)
            self.log.append(Record("process", row.key, None))
            return
        if self.sessions.pop(row.key, None):
            self.log.append(Record("connection", row.key, None))

    def answer(
        self, type: str, id: int, status: int, reason: str = "", **fields: ssmmp.FieldValue
    ) -> None:
        """Answer a request of the Manager; `id` 0 means that there is no request to answer.
        `reason` is told to a Manager that knows extensions."""
        if id:
            extras = (("x_reason", _line(reason)),) if reason and self.extensions else ()
            made = ssmmp.AGENT_TO_MANAGER.make(type, id, extras, status=status, **fields)
            self.to_manager(ssmmp.trimmed(made, ssmmp.Edition.BASE))

    def to_manager(self, message: ssmmp.SsmmpMessage) -> None:
        """Send a message to the Manager; counted and dropped while there is no registration."""
        if not self.registered and message.type != "initiation_request":
            self.count(f"unlinked.{message.type}")
            return
        self.log.append(ToManager(message))

    def to_instance(self, instance: int, message: ssmmp.SsmmpMessage) -> bool:
        """Send a message to an instance; False if it is not attached."""
        connection = self.controls.get(instance)
        if connection is None:
            return False
        self.log.append(ToInstance(connection, message))
        return True

    def count(self, name: str) -> None:
        """Count something that had no effect."""
        self.log.append(Count(name))

    def notice(self, what: str, subject: object, detail: str = "", *, alarm: bool = False) -> None:
        """Tell the operator."""
        self.log.append(Notice(what, str(subject), detail, alarm))


def _line(text: str) -> str:
    """A text as the contents of one line in every framing."""
    plain = "".join(one if one.isprintable() and one not in "~;" else " " for one in text)
    return " ".join(plain.split())[:MAX_REASON]
