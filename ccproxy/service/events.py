"""What the core of the library answers with, and its timers. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these bytes to the agent."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Attach:
    """Connect to the agent after so many seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Detach:
    """Close the connection to the agent; `unlinked` follows."""

    why: str


@dataclass(frozen=True, slots=True)
class Granted:
    """Connect session `key` to this address; answer with `connected` or `failed`."""

    key: int
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Session `key` is not allowed; it is over."""

    key: int
    status: int


@dataclass(frozen=True, slots=True)
class CloseWanted:
    """Close session `key` at a safe point; answer with `closed` or `declined`."""

    key: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End: finish what is under way, close what is open, answer with `stopped`, exit."""


Action = Transmit | Attach | Detach | Granted | Refused | CloseWanted | Stop
News = Granted | Refused | CloseWanted


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds; `backlog` are messages kept while the agent is away; an instance that its
    agent does not know `strange` times ends."""

    attach_first: float = 0.1
    attach_most: float = 2.0
    hello_timeout: float = 5.0
    answer_timeout: float = 60.0
    retry_first: float = 0.1
    retry_most: float = 2.0
    backlog: int = 10_000
    strange: int = 5
