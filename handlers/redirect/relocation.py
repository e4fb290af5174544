"""Relocation as a message: what `relocate.NAME` asks for, and what it is answered.

    {"location": "socket://h:2", "protocol": "sodep", "save": true}      moves the service
    {"add": "Mul", "location": "socket://h:3", "protocol": "http"}       leads a resource to a place
    {"add": "Sum", "section": "h:sum"}                                   or to a section
    {"remove": "Mul"}                                                    a resource is there no more
    {}                                                                   where is what?

All may have `save`, which alone keeps all that is. The message `relocate` asks for every redirect.
This module must never change anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .destination import ResourceDestination, resource_name
from .location import Location

RELOCATE = "relocate"
"""First part of the types of such messages, and of the routes that lead them here."""
LONGEST = 1000
"""Characters of a text in such a message: all of it is kept, and shown."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """What is asked for: `add` and `remove` name a resource, without them it is the service itself.

    No location and no section: only where calls go now. No protocol: the present one, or that of
    the section for a resource which is new.
    """

    location: Location | None = None
    protocol: str = ""
    save: bool = False
    add: str = ""
    remove: str = ""
    section: str = ""


def is_relocation(type: str) -> bool:
    """True for the types of such messages."""
    return f"{type}.".startswith(f"{RELOCATE}.")


def names(type: str, section: str, routes: Iterable[str]) -> bool:
    """True if the type of such a message means this section: by a route of its own, or by name."""
    return type in routes or f"{RELOCATE}.{section.removeprefix('h:')}" == type


def read(fields: Mapping[str, Any]) -> Relocation:
    """Read the fields of a message; ValueError says what was found and expected."""
    save = fields.get("save", False)
    if not isinstance(save, bool):
        raise ValueError(f"save: found {save!r:.40}, expected true or false")
    add, remove, location, section, protocol = (
        _text(fields, name) for name in ("add", "remove", "location", "section", "protocol")
    )
    if add and remove:
        raise ValueError("found add and remove, expected one of them")
    if add and bool(location) == bool(section):
        raise ValueError("add: expected the location of the service, or a section")
    if remove and (location or section or protocol):
        raise ValueError("remove: found a place as well, expected the name of the resource alone")
    if section and (protocol or not add):
        raise ValueError("section: expected with add, and without protocol")
    return Relocation(
        Location.parse(location) if location is not None else None,
        protocol or "",
        save,
        resource_name(add) if add is not None else "",
        resource_name(remove) if remove is not None else "",
        section or "",
    )


def moved(found: Mapping[str, Any], before: Location) -> dict[str, Any]:
    """The answer about the service itself: what is true of it now, and where it was before."""
    return {**found, "before": str(before)}


def changed(
    name: str, to: ResourceDestination | None, before: ResourceDestination | None
) -> dict[str, Any]:
    """The answer about a resource: where it leads now and where it led; null means nowhere."""
    return {
        "resource": name,
        "to": None if to is None else str(to),
        "before": None if before is None else str(before),
    }


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    found = fields.get(name)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"{name}: found {found!r:.40}, expected text")
    if found is not None and len(found) > LONGEST:
        raise ValueError(f"{name}: found {len(found)} characters, expected at most {LONGEST}")
    return found
