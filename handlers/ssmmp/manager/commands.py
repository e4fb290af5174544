"""The operator's commands as values."""

from __future__ import annotations

from dataclasses import dataclass


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
