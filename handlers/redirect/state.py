"""The file that keeps a relocation over a restart: one JSON object, replaced as a whole.

    {"location": "socket://h:2", "protocol": "sodep", "instead": ["socket://h:1", "sodep"]}

It replaces the place that the INI gave when it was written; once the INI gives another one, that
one holds. It must never leave half a file behind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from .location import Location

ServicePlace = tuple[Location, str]
"""A location and the protocol spoken there."""


def write(file: str, place: ServicePlace, instead: ServicePlace) -> None:
    """Save a place; OSError leaves the file as it was."""
    kept = {"location": str(place[0]), "protocol": place[1], "instead": _text(instead)}
    path = Path(file)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        try:
            json.dump(kept, made)
            made.flush()
            os.fsync(made.fileno())
            Path(made.name).replace(path)
        except BaseException:
            Path(made.name).unlink(missing_ok=True)
            raise


def read(file: str, configured: ServicePlace) -> ServicePlace | None:
    """The place saved instead of the configured one, None without one; ValueError, OSError."""
    try:
        text = Path(file).read_text("utf-8")
    except FileNotFoundError:
        return None
    kept = json.loads(text)
    if not isinstance(kept, dict) or not isinstance(kept.get("protocol"), str):
        raise ValueError(f"{file} holds no relocation")
    if kept.get("instead") != _text(configured):
        return None
    return Location.parse(str(kept.get("location"))), kept["protocol"]


def _text(place: ServicePlace) -> list[str]:
    return [str(place[0]), place[1]]
