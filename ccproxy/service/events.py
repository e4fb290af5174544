"""What the core of the library answers with, and its timers. Values only: nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SendBytes:
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
class SessionGranted:
    """Connect session `key` to this address; answer with `connected` or `failed`."""

    key: int
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class SessionDenied:
    """Session `key` is refused for good; it is over."""

    key: int
    status: int


@dataclass(frozen=True, slots=True)
class CloseWanted:
    """Close session `key` at a safe point; answer with `closed` or `declined`."""

    key: int


@dataclass(frozen=True, slots=True)
class StopWanted:
    """End: finish what is under way, close what is open, answer with `stopped`, exit."""


News = SessionGranted | SessionDenied | CloseWanted
"""What becomes of one session."""

ServiceAction = SendBytes | Attach | Detach | StopWanted | News


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. `backlog` is how many messages are kept while the agent is away. An
    instance ends when its agent has said `unknown_replies` times that it does not know it."""

    attach_first: float = 0.1
    attach_most: float = 2.0
    hello_timeout: float = 5.0
    answer_timeout: float = 60.0
    retry_first: float = 0.1
    retry_most: float = 2.0
    backlog: int = 10_000
    unknown_replies: int = 5
