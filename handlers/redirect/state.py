"""The file that keeps relocations over a restart: one JSON object, replaced as a whole.

    {"location": "socket://h:2", "protocol": "sodep", "instead": ["socket://h:1", "sodep"],
     "resources": {"Mul": {"location": "socket://h:3", "protocol": "http", "instead": ""},
                   "Sub": {"instead": "h:sub"}}}                      Sub is removed

What is kept replaces what the INI said when it was written: a place, or the section of a resource
("" if it did not name it). Once the INI says something else, that holds. It must never leave half a
file behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from .destination import Changes, ResourceDestination, resource_name
from .location import Location

ServicePlace = tuple[Location, str]
"""A location and the protocol spoken there."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the INI says: the place of the service, if it has one, and the section by resource."""

    place: ServicePlace | None = None
    resources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """What holds instead: a place, if another one was kept, and changes of resources."""

    place: ServicePlace | None = None
    resources: Changes = field(default_factory=dict)


def write(file: str, kept: Kept, instead: Configured) -> None:
    """Save what is to be kept; OSError leaves the file as it was."""
    path = Path(file)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        try:
            json.dump(_content(kept, instead), made)
            made.flush()
            os.fsync(made.fileno())
            Path(made.name).replace(path)
        except BaseException:
            Path(made.name).unlink(missing_ok=True)
            raise


def read(file: str, configured: Configured) -> Kept:
    """What was kept instead of what the INI still says; ValueError, OSError."""
    try:
        text = Path(file).read_text("utf-8")
    except FileNotFoundError:
        return Kept()
    kept = json.loads(text)
    if not isinstance(kept, dict) or not isinstance(kept.get("resources", {}), dict):
        raise ValueError(f"{file} holds no relocation")
    place = None
    if "location" in kept or "resources" not in kept:
        place = _place(file, kept)
    if configured.place is None or kept.get("instead") != _text(configured.place):
        place = None
    resources = {
        resource_name(name): _destination(file, one)
        for name, one in kept.get("resources", {}).items()
        if isinstance(one, dict) and one.get("instead") == configured.resources.get(name, "")
    }
    return Kept(place, resources)


def _content(kept: Kept, instead: Configured) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if kept.place is not None and instead.place is not None:
        content = {**_fields(*kept.place), "instead": _text(instead.place)}
    if kept.resources:
        content["resources"] = {
            name: {**_to(to), "instead": instead.resources.get(name, "")}
            for name, to in kept.resources.items()
        }
    return content or {"resources": {}}


def _to(to: ResourceDestination | None) -> dict[str, str]:
    if to is None:
        return {}
    return {"section": to.section} if to.location is None else _fields(to.location, to.protocol)


def _fields(location: Location, protocol: str) -> dict[str, str]:
    return {"location": str(location), "protocol": protocol}


def _destination(file: str, kept: dict[str, Any]) -> ResourceDestination | None:
    if "location" in kept:
        return ResourceDestination("", *_place(file, kept))
    section = kept.get("section")
    return ResourceDestination(str(section)) if section else None


def _place(file: str, kept: dict[str, Any]) -> ServicePlace:
    if not isinstance(kept.get("protocol"), str):
        raise ValueError(f"{file} holds no relocation")
    return Location.parse(str(kept.get("location"))), kept["protocol"]


def _text(place: ServicePlace) -> list[str]:
    return [str(place[0]), place[1]]
