"""Where a resource of a redirect leads: to another section, or to a place of its own.

The text of a destination is the one that an operator reads; it is never parsed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccproxy.wire.cc import valid_type

from .location import Location

LONGEST_NAME = 200
"""Characters of the name of a resource, at most."""
EXPECTED_NAME = "letters, digits, _ and - such as Sum, or A/B"


@dataclass(frozen=True, slots=True)
class ResourceDestination:
    """Either `section` is set, or `location` with the protocol spoken there."""

    section: str = ""
    location: Location | None = None
    protocol: str = ""

    def __str__(self) -> str:
        return self.section or f"{self.location} in {self.protocol}"


Changes = Mapping[str, ResourceDestination | None]
"""What is other than in the INI: a resource that leads elsewhere, or None for one that is removed.
"""


def resource_name(text: str) -> str:
    """The name of a resource, without slashes around it; ValueError if no type can have it."""
    name = text.strip().strip("/")
    if len(name) > LONGEST_NAME or not valid_type(name.replace("/", ".").encode()):
        raise ValueError(f"found {text!r:.60} as the name of a resource, expected {EXPECTED_NAME}")
    return name
