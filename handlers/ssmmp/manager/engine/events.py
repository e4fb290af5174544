"""What a part of the Manager says to the parts above it: values on `State.pending`.

A part calls the parts below it directly. What is to follow in the parts above it, it leaves as an
event. When the call is over, the engine hands each event to its receivers by the table in
`engine.py`, in the order in which the events came. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rows import InstanceRow


@dataclass(frozen=True, slots=True)
class SessionGone:
    """A session of this instance has ended, or nothing waits for its end any more."""

    instance: int


@dataclass(frozen=True, slots=True)
class SessionAcked:
    """This instance has acknowledged a session: it may use the message id again."""

    instance: int


@dataclass(frozen=True, slots=True)
class SessionsOrphaned:
    """This instance has ended, and its sessions behind `after`, an end and a key, are to be closed
    by their other ends."""

    instance: int
    after: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class SessionOffered:
    """An instance of this service has got one more session."""

    service: str


@dataclass(frozen=True, slots=True)
class SessionWaits:
    """A session request waits for an instance of this service."""

    service: str


@dataclass(frozen=True, slots=True)
class ClientFailed:
    """A client could not reach this instance."""

    instance: int


@dataclass(frozen=True, slots=True)
class InstancePlaceable:
    """The time has come to look for a place for this planned instance again."""

    instance: int


@dataclass(frozen=True, slots=True)
class InstanceServes:
    """An instance of this service is ready."""

    service: str


@dataclass(frozen=True, slots=True)
class RequestsWait:
    """Requests for this service wait that can be answered now."""

    service: str


@dataclass(frozen=True, slots=True)
class ServiceImpossible:
    """Requests for this service wait in vain."""

    service: str


@dataclass(frozen=True, slots=True)
class ServiceUnbalanced:
    """Of this service more or fewer instances are to run."""

    service: str


@dataclass(frozen=True, slots=True)
class InstanceLeaves:
    """An instance of this service begins to end gracefully, and may have to be replaced."""

    service: str


@dataclass(frozen=True, slots=True)
class InstanceEmpty:
    """No session of this draining instance is left that is worth waiting for."""

    instance: int


@dataclass(frozen=True, slots=True)
class InstanceGone:
    """An instance has ended or is not counted on any more; `row` as it was then."""

    row: InstanceRow


@dataclass(frozen=True, slots=True)
class PortsReleased:
    """The ports of an instance may be used again."""


@dataclass(frozen=True, slots=True)
class AgentSilent:
    """The agent on this connection has said nothing for agent_silence."""

    peer: str


@dataclass(frozen=True, slots=True)
class AgentUsable:
    """This agent takes new instances."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentLost:
    """This agent has been away for agent_lost: what ran there counts as ended."""

    agent: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Something happened that a step of an operation may wait for."""


Event = (
    SessionGone
    | SessionAcked
    | SessionsOrphaned
    | SessionOffered
    | SessionWaits
    | ClientFailed
    | InstancePlaceable
    | InstanceServes
    | RequestsWait
    | ServiceImpossible
    | ServiceUnbalanced
    | InstanceLeaves
    | InstanceEmpty
    | InstanceGone
    | PortsReleased
    | AgentSilent
    | AgentUsable
    | AgentLost
    | Changed
)
