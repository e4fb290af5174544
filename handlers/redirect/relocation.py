"""Relocation as a message: what `relocate.NAME` asks for, and what it is answered.

    {"location": "socket://h:2", "protocol": "sodep", "save": true}    all may be left out
    {"data": {"location": ..., "protocol": ..., "before": ..., "calls": 3, "saved": true}}

Without a location nothing moves, and the answer says where calls go. This module must never
relocate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.values import Result

from .location import Location
from .output_port import OutputPort

RELOCATE = "relocate"
"""First part of the types of such messages, and of the routes that lead them here."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """What is asked for; no location: only where calls go now. No protocol: the present one."""

    location: Location | None = None
    protocol: str = ""
    save: bool = False


def is_relocation(type: str) -> bool:
    """True for the types of such messages."""
    return type.startswith(f"{RELOCATE}.")


def read(fields: Mapping[str, Any]) -> Relocation:
    """Read the fields of a message; ValueError says what was found and expected."""
    location, protocol = fields.get("location"), fields.get("protocol") or ""
    save = fields.get("save", False)
    if not isinstance(protocol, str):
        raise ValueError(f"protocol: found {protocol!r:.40}, expected text")
    if not isinstance(save, bool):
        raise ValueError(f"save: found {save!r:.40}, expected true or false")
    if location is None:
        return Relocation(protocol=protocol, save=save)
    if not isinstance(location, str):
        raise ValueError(f"location: found {location!r:.40}, expected text")
    return Relocation(Location.parse(location), protocol, save)


def answer(port: OutputPort, before: Location, saved: bool = False) -> Result:
    """Where calls go now, where they went before, how many are under way in both places."""
    return Result(
        Json(
            {
                "location": str(port.target.location),
                "protocol": port.target.protocol.word,
                "before": str(before),
                "calls": len(port),
                "saved": saved,
            }
        )
    )
