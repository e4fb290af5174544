"""Which port a call goes to: by the resource names in its path, else by its operation.

Redirection goes by path, aggregation by the names of operations on path "/". The table is frozen;
who changes a port's location changes the port. It must never look at values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.values import Fault

from . import faults


class Found(NamedTuple):
    """The port, by its name, and the path that is left to forward."""

    port: str
    path: str


@dataclass(frozen=True, slots=True)
class Table:
    """`resources`: path such as "Sum" or "A/B" to port; `operations`: name to port."""

    resources: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)

    def find(self, path: str, operation: str) -> Found | Fault:
        """The port for a call; the longest resource that matches. A Fault if there is none."""
        names = paths.names(path)
        if not names:
            port = self.operations.get(operation)
            return Found(port, "/") if port else faults.invalid_operation(operation)
        for length in range(min(len(names), self._longest()), 0, -1):
            port = self.resources.get("/".join(names[:length]))
            if port:
                return Found(port, paths.path_of(names[length:]))
        return faults.unknown_resource(path)

    def clashes(self, other: Table) -> list[str]:
        """Operations that both offer, such as two services aggregated on one port."""
        return sorted(self.operations.keys() & other.operations.keys())

    def _longest(self) -> int:
        return max((one.count("/") + 1 for one in self.resources), default=0)
