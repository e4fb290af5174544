"""What the agent answers with: a list of these, to be carried out in order. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.protocols.ssmmp import SsmmpMessage

from ...journal import Record
from ...notices import Count, Notice


@dataclass(frozen=True, slots=True)
class ToManager:
    """Send a message to the Manager."""

    message: SsmmpMessage


@dataclass(frozen=True, slots=True)
class ToInstance:
    """Send a message on a control connection."""

    connection: str
    message: SsmmpMessage


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a program in a process group of its own; answer with `spawned` or `unspawned`."""

    instance: int
    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    user: str = ""
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """Send a signal (TERM, KILL, ...) to the process group of an instance."""

    instance: int
    pid: int
    signal: str


@dataclass(frozen=True, slots=True)
class WatchPorts:
    """Try these ports until all accept, then call `ready`; until the instance is gone."""

    instance: int
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to the Manager after so many seconds, to `address` if that is given."""

    delay: float
    address: str = ""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a control connection, or the one to the Manager if `connection` is empty."""

    connection: str
    why: str


AgentAction = (
    Record
    | ToManager
    | ToInstance
    | Spawn
    | Kill
    | WatchPorts
    | Connect
    | Disconnect
    | Count
    | Notice
)
