"""The rows of the Manager's state: one frozen value for each agent, instance, session and so on.

All state that survives a restart is in these; everything else that the Manager remembers is derived
from them. Times are seconds of the clock that the caller passes; `deadline` 0 = none. The text of a
row is the list of its values: a field may be renamed, and new ones go to the end, with a default.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...journal import Journal
from .tables import AgentState, InstanceState, SessionState

Ports = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class AgentRow:
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
class InstanceRow:
    """One process of a service.

    `agent` and `address` say where it runs, `node` where the operator wants it, empty = anywhere.
    `previous_state` is the state before UNKNOWN; `request` the id of the message whose answer it
    waits for; `misses` the abnormal health reports in a row; `tries` how often it was asked to end;
    `status` the last one that was not 2xx; `reason` what its agent said of it; `ran` when it became
    ready; `alias` the number that an instance gave itself which was not started by this Manager.
    """

    key: int
    service: str
    program: str
    state: InstanceState
    agent: str = ""
    address: str = ""
    node: str = ""
    sockets: Ports = ()
    ports_reserved: bool = False
    previous_state: InstanceState = InstanceState.PLANNED
    request: int = 0
    health: int = 0
    misses: int = 0
    tries: int = 0
    status: int = 0
    ran: float = 0.0
    since: float = 0.0
    deadline: float = 0.0
    alias: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One connection from a plug of the instance `source` to a socket of the instance `dest`.

    `message` is the id of its session_request, `request` that of a close request. `end` is the end
    that is asked to close it now, `asked` all that were asked (source, dest, both), `first` the end
    that reported its close first. `stuck` = an end could not close it; `unwanted` = it is to be
    closed as soon as it is acknowledged.
    """

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
class DesiredState:
    """What is wanted of a service: `target` instances of `program`. `hold` = requests wait and
    nothing is started on demand; `broken` is the reason why nothing can be started at all; `scaled`
    is when the load last added an instance; `down` = the operator has stopped it: nothing is
    started, and requests are refused."""

    key: str
    target: int = 0
    program: str = ""
    hold: bool = False
    broken: str = ""
    scaled: float = 0.0
    down: bool = False


@dataclass(frozen=True, slots=True)
class NodeFailures:
    """Failures of a service on a node: when they were, how many in a row, and until when the
    service is not placed there."""

    key: str
    times: tuple[float, ...] = ()
    failures_in_row: int = 0
    until: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class OperationStep:
    """One step of an operation. `subject` is an instance, service or node; `product` the instance
    that the step made; `until` when it must be done; `state`: planned, running, done, failed. Steps
    of one group follow each other; group 0 goes first and alone, LAST comes last and alone."""

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
WHOLE_GROUPS = 0
"""As `parallel`: all steps of a group are under way at once, and one group follows another."""


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operator's command as steps; `state`: running, stopping, done, cancelled, failed.
    `parallel` is how many groups of steps are under way at once; `previous_program` is what an
    update returns to when it fails."""

    key: int
    command: str
    steps: tuple[OperationStep, ...]
    state: str = "running"
    parallel: int = 1
    previous_program: str = ""
    reason: str = ""
    since: float = 0.0
    deadline: float = 0.0

    @property
    def progress(self) -> tuple[int, int]:
        """Steps done, and all steps."""
        return sum(one.state == "done" for one in self.steps), len(self.steps)


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm that stands: `what` there is about `subject`, since when, and why."""

    key: str
    what: str
    subject: str
    detail: str = ""
    since: float = 0.0


StateRow = (
    AgentRow | InstanceRow | SessionRow | DesiredState | NodeFailures | OperationRow | AlarmRow
)

TABLES: dict[str, type[StateRow]] = {
    "agent": AgentRow,
    "instance": InstanceRow,
    "session": SessionRow,
    "goal": DesiredState,
    "trouble": NodeFailures,
    "operation": OperationRow,
    "alarm": AlarmRow,
}
"""The tables of the journal by name; the names stand in the state files of older versions."""

COUNTER = "counter"
"""The table of counters: the last number given out, by the name of the counter."""

JOURNAL = Journal({**TABLES, COUNTER: int})

NAMES: dict[type[StateRow], str] = {row: name for name, row in TABLES.items()}
