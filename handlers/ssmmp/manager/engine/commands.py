"""The operator's commands as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Drain:
    """Move everything away from a node; `force` also what has no other place."""

    node: str
    force: bool = False

    def __str__(self) -> str:
        return f"drain {self.node}" + (" --force" if self.force else "")


@dataclass(frozen=True, slots=True)
class Undrain:
    """Let a node take instances again."""

    node: str

    def __str__(self) -> str:
        return f"undrain {self.node}"


@dataclass(frozen=True, slots=True)
class Migrate:
    """Replace an instance by one elsewhere; `node` empty = wherever is best."""

    instance: int
    node: str = ""

    def __str__(self) -> str:
        return f"migrate {self.instance} {self.node}".strip()


@dataclass(frozen=True, slots=True)
class Scale:
    """Keep so many instances of a service."""

    service: str
    count: int

    def __str__(self) -> str:
        return f"scale {self.service} {self.count}"


@dataclass(frozen=True, slots=True)
class Update:
    """Run a service by another program, one instance after the other."""

    service: str
    program: str

    def __str__(self) -> str:
        return f"update {self.service}={self.program}"


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Close surplus sessions of the fullest instances, so that clients spread by asking again."""

    service: str

    def __str__(self) -> str:
        return f"rebalance {self.service}"


@dataclass(frozen=True, slots=True)
class Stop:
    """End an instance; `hard` kills it."""

    instance: int
    hard: bool = False

    def __str__(self) -> str:
        return f"stop {self.instance}" + (" --hard" if self.hard else "")


Command = Drain | Undrain | Migrate | Scale | Update | Rebalance | Stop

COMMANDS: dict[str, type[Command]] = {
    one.__name__.lower(): one for one in (Drain, Undrain, Migrate, Scale, Update, Rebalance, Stop)
}
"""The commands by the words an operator uses."""

_TYPES = {"str": str, "int": int, "bool": bool}


def command_of(value: Mapping[str, Any]) -> Command:
    """The command of a message: its word in the field `command`, its values in fields of their
    names; ValueError if one is missing or wrong."""
    word = value.get("command")
    made = COMMANDS.get(word) if isinstance(word, str) else None
    if made is None:
        raise ValueError(f"command is {word!r:.80}, expected one of {', '.join(COMMANDS)}")
    values: dict[str, Any] = {}
    for one in fields(made):
        found = value.get(one.name, None if one.default is MISSING else one.default)
        # A flag is no number here, though it is one for Python.
        if type(found) is not _TYPES[str(one.type)] or found == "" != one.default:
            raise ValueError(f"{word}: {one.name} is {found!r:.80}, expected {one.type}")
        values[one.name] = found
    if values.get("count", 0) < 0:
        raise ValueError(f"{word}: count is {values['count']}, expected 0 or more")
    return made(**values)
