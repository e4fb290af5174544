"""Actions that both roles answer with: counts, and what an operator is told. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter."""

    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator may want to see: published as an event, logged at its level."""

    what: str
    subject: str
    detail: str = ""
    alarm: bool = False
