"""Members of a group, as its handler says them in a status: their states, and who gets messages.

It must never take on trust what a handler says: a plugin may say anything under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UP = "up"


@dataclass(frozen=True, slots=True)
class ListedMember:
    """One member; `used` if it gets messages of the group now."""

    section: str
    state: str
    used: bool


def members_of(facts: Mapping[str, Any]) -> list[ListedMember]:
    """The members of a group; none if these are facts of another handler."""
    members, to = facts.get("members"), facts.get("to")
    if not isinstance(members, list) or not isinstance(to, list):
        return []
    return [
        ListedMember(one["section"], str(one.get("state", "")), one["section"] in to)
        for one in members
        if isinstance(one, Mapping) and isinstance(one.get("section"), str)
    ]


def any_up(members: Sequence[ListedMember]) -> bool:
    """True if one of them can send."""
    return any(one.state == UP for one in members)


def counted(members: Sequence[ListedMember]) -> str:
    """How many of them are up, in words."""
    up = sum(one.state == UP for one in members)
    return f"{up or 'none'} of {len(members)} up"
