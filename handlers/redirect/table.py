"""Where a call goes: the port for its path or operation, and what its message type leaves of both.

Redirection goes by the resource names in the path, aggregation by the operations on path "/". The
table is frozen; `resources` makes another one when an operator changes it. It must never look at
values.

    route calc.Sum, type calc.Sum.A.sum    names A, operation sum
    route calc, type calc.sum              no names, operation sum
    route calc.sum, type calc.sum          the same
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.values import Fault

from . import faults

ANY = "*"
"""The route that takes every type."""


class Remainder(NamedTuple):
    """What is left of a message type behind the route that led here."""

    names: tuple[str, ...]
    operation: str


class PortPath(NamedTuple):
    """The port, by its name, and the path that is left to forward."""

    port: str
    path: str


@dataclass(frozen=True, slots=True)
class RouteTable:
    """`resources`: path such as "Sum" or "A/B" to port; `operations`: name to port."""

    resources: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)

    def find(self, path: str, operation: str) -> PortPath | Fault:
        """The port for a call; the longest resource that matches. A Fault if there is none."""
        names = paths.names(path)
        if not names:
            port = self.operations.get(operation)
            return PortPath(port, "/") if port else faults.invalid_operation(operation)
        for length in range(min(len(names), self._longest()), 0, -1):
            port = self.resources.get("/".join(names[:length]))
            if port:
                return PortPath(port, paths.path_of(names[length:]))
        return faults.unknown_resource(path, self.resources)

    def clashes(self, other: RouteTable) -> list[str]:
        """Operations that both tables have, such as two services aggregated on one port."""
        return sorted(self.operations.keys() & other.operations.keys())

    def _longest(self) -> int:
        return max((one.count("/") + 1 for one in self.resources), default=0)


def remainder_of(type: str, routes: Iterable[str], head: int = 0) -> Remainder:
    """What the longest matching route leaves; `head` parts are no names even for the route `*`."""
    parts = type.split(".")
    used = max(map(len, _matching(parts, routes)), default=0)
    return Remainder(tuple(parts[max(used, head) : -1]), parts[-1])


def _matching(parts: list[str], routes: Iterable[str]) -> Iterator[list[str]]:
    for route in routes:
        found = route.split(".")
        if route != ANY and parts[: len(found)] == found:
            yield found
