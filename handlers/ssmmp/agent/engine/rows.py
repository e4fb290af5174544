"""What an agent must not forget when it restarts: its processes, and their open sessions; and the
link to the Manager, which begins anew with every start.

Values only. The journal writes rows by their fields in order, so a new field goes to the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...journal import Journal
from .tables import LinkState, ProcessState


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One instance. `pid` is also its process group; `start`, `stop` and `kill` are the ids of the
    Manager's requests that wait for an answer, 0 = none; `kills` = how often KILL was sent to it
    because an earlier signal did not end it; `left` = it has said that it would end."""

    key: int
    program: str
    state: ProcessState
    pid: int = 0
    sockets: tuple[tuple[str, int], ...] = ()
    token: str = ""
    start: int = 0
    stop: int = 0
    kill: int = 0
    kills: int = 0
    left: bool = False
    health: int = 0
    since: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One open session whose source is an instance here, as that instance knows it."""

    key: str
    source: int
    plug: str
    port: int
    to_address: str
    to_port: int
    new_port: int


@dataclass(frozen=True, slots=True)
class LinkRow:
    """The link to the Manager; `deadline` is that of the welcome, 0 = none."""

    state: LinkState = LinkState.DISCONNECTED
    deadline: float = 0.0


JOURNAL = Journal({"process": ProcessRow, "connection": OpenSession})
"""The text form of the journalled rows, by table."""
