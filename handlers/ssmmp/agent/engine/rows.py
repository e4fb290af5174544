"""What an agent must not forget when it restarts: its processes, and their open sessions."""

from __future__ import annotations

from dataclasses import dataclass

from .tables import ProcessState


@dataclass(frozen=True, slots=True)
class Process:
    """One instance. `pid` is also its process group; `start`, `stop`, `kill` are the ids of the
    Manager's requests that wait for an answer, 0 = none; `left` = it said that it would end."""

    key: int
    program: str
    state: ProcessState
    pid: int = 0
    sockets: tuple[tuple[str, int], ...] = ()
    token: str = ""
    start: int = 0
    stop: int = 0
    kill: int = 0
    answered: bool = False
    left: bool = False
    health: int = 0
    since: float = 0.0
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Connection:
    """One open session of an instance here, as its source knows it."""

    key: str
    source: int
    plug: str
    port: int
    to_address: str
    to_port: int
    new_port: int
