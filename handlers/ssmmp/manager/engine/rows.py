"""The rows of the Manager's state: one frozen value for each agent, instance, session and so on.

All state that survives a restart is in these; whatever else the Manager keeps is derived from
them. Times are seconds of the clock that the caller passes; `deadline` 0 = none.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...journal import Journal
from .tables import AgentState, InstanceState, SessionState

Ports = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Agent:
    """One node. `peer` is its connection, empty while it has none; `watched` = it answers probes
    or announced extensions, so that its silence means something."""

    key: str
    address: str
    node: str
    peer: str
    state: AgentState
    repository: tuple[str, ...]
    extensions: bool = False
    watched: bool = False
    draining: bool = False
    since: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One process. `was` is the state before UNKNOWN; `held` = its ports are reserved; `request`
    the message it waits for; `node` the agent it is to run on, empty = any; `idle` = its deadline
    is that of idle_stop; `tries` how often it was asked to end; `status` the last bad one; `alias`
    the number that one gave itself which nobody here started."""

    key: int
    service: str
    program: str
    state: InstanceState
    agent: str = ""
    address: str = ""
    node: str = ""
    sockets: Ports = ()
    held: bool = False
    was: InstanceState = InstanceState.PLANNED
    request: int = 0
    health: int = 0
    misses: int = 0
    tries: int = 0
    status: int = 0
    ran: float = 0.0
    since: float = 0.0
    deadline: float = 0.0
    alias: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One connection. `message` is the id of its request, `request` that of a close request.

    `end` is the end asked to close now, `asked` all that were asked (source, dest, both), `first`
    the end that reported its close; `unwanted` = close it as soon as it is known."""

    key: int
    source: int
    source_service: str
    agent: str
    message: int
    plug: str
    service: str
    socket: str
    state: SessionState
    dest: int = 0
    from_address: str = ""
    from_port: int = 0
    to_address: str = ""
    to_port: int = 0
    new_port: int = 0
    request: int = 0
    end: str = ""
    asked: str = ""
    stuck: bool = False
    unwanted: bool = False
    first: str = ""
    status: int = 0
    since: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of a service: `target` instances of `program`. `hold` = requests wait and
    nothing is started on demand; `broken` a reason why nothing can be started at all."""

    key: str
    target: int = 0
    program: str = ""
    hold: bool = False
    broken: str = ""
    scaled: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failures of a service on a node: when, how many in a row, and until when it is avoided."""

    key: str
    times: tuple[float, ...] = ()
    row: int = 0
    until: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an operation. `subject` is an instance, service or node; `product` the instance
    it made; `state`: planned, running, done, failed. Steps of one group follow each other; group 0
    goes first and alone, LAST comes last and alone."""

    kind: str
    subject: str
    node: str = ""
    number: int = 0
    group: int = 1
    state: str = "planned"
    product: int = 0
    until: float = 0.0


LAST = 1_000_000
"""The group of the steps that come after all others."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's command as steps; `state`: running, stopping, done, stopped, failed. `back`
    is what an update returns to when it fails."""

    key: int
    command: str
    steps: tuple[Step, ...]
    state: str = "running"
    parallel: int = 1
    back: str = ""
    reason: str = ""
    since: float = 0.0
    deadline: float = 0.0

    @property
    def progress(self) -> tuple[int, int]:
        """Steps done, and all steps."""
        return sum(one.state == "done" for one in self.steps), len(self.steps)


Row = Agent | Instance | Session | Goal | Trouble | Operation

TABLES: dict[str, type[Row]] = {
    "agent": Agent,
    "instance": Instance,
    "session": Session,
    "goal": Goal,
    "trouble": Trouble,
    "operation": Operation,
}
"""The tables of the journal by name. State files hold these names, so they stay."""

COUNTER = "counter"
"""The table of counters: the last number given out, by the name of the counter."""

JOURNAL = Journal({**TABLES, COUNTER: int})

NAMES: dict[type[Row], str] = {row: name for name, row in TABLES.items()}
