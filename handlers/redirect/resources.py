"""The resources of one redirect: the table of the INI, and what operators have changed of it.

    INI          Sum => h:sum, Sub => h:sub
    changes      Mul leads to socket://h:3 in sodep, Sub to nothing
    now          Sum => h:sum, Mul => a port of its own

A port that no name leads to any more ends when its last call is answered. A name that is put back
to where the INI has it is no change any more. This module must never answer a caller or read files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ccproxy.protocols.jolie.values import Fault

from .connections import Connections
from .destination import Changes, ResourceDestination
from .ports import PortMaker
from .preparing import CallPreparation
from .table import RouteTable
from .target import ServiceTarget

MAX_CHANGES = 1000
"""Resources that may be other than in the INI, and ports that end, at a time."""
SWEEP_INTERVAL = 0.1
"""Seconds between two looks at the ports that end."""


class FoundPort(NamedTuple):
    """The port of a call, and the path that is left to forward."""

    connections: Connections
    path: str


class Resources:
    """Finds the ports of calls. `changed` is called when `find` may have another answer, with the
    port that it gave before; None: it found none."""

    def __init__(
        self, maker: PortMaker, preparation: CallPreparation, section: Callable[[str], Connections]
    ) -> None:
        """`section` finds the port of another redirect."""
        redirects, operations = maker.options.redirects, maker.options.operations
        self.changed: Callable[[Connections | None], None] = _nothing
        self.changes: dict[str, ResourceDestination | None] = {}
        self._maker = maker
        self._preparation = preparation
        self._section = section
        self._configured = dict(redirects.pairs)
        self._sections = (*dict.fromkeys((*redirects, *operations)),)
        self._own: dict[str, Connections] = {}
        self._ending: list[Connections] = []
        self._table = RouteTable(self._configured, dict(operations.pairs))

    @property
    def names(self) -> list[str]:
        """The resources that there are now."""
        return sorted(self._table.resources)

    @property
    def ports(self) -> Iterator[Connections]:
        """The ports made here, also those that end."""
        yield from self._own.values()
        yield from self._ending

    @property
    def ending(self) -> int:
        """Ports without a name that still owe answers."""
        return len(self._ending)

    def find(self, path: str, operation: str) -> FoundPort | Fault:
        """The port of a call; a Fault that names what there is if it has none."""
        found = self._table.find(path, operation)
        if isinstance(found, Fault):
            return found
        return FoundPort(self._port(found.port), found.path)

    def leads_to(self, path: str, operation: str) -> tuple[str, str] | Fault:
        """As `find`: the section of the port, "" if it has none, and the path."""
        found = self._table.find(path, operation)
        if isinstance(found, Fault):
            return found
        return "" if found.port in self._own else found.port, found.path

    def destination(self, name: str) -> ResourceDestination | None:
        """Where a resource leads now; None if there is no such resource."""
        if name in self.changes:
            return self.changes[name]
        section = self._configured.get(name)
        return ResourceDestination(section) if section else None

    def configured(self, name: str) -> str:
        """The section to which the INI leads a resource; "" if it does not name it."""
        return self._configured.get(name, "")

    def calls(self, name: str) -> int:
        """The calls under way through a resource; of a section, all of its calls."""
        to = self.destination(name)
        if to is None:
            return 0
        return len(self._port(to.section or _key(name)).port)

    def put(self, name: str, to: ResourceDestination) -> None:
        """Lead a resource elsewhere; ValueError if that cannot be done, and nothing is changed."""
        if to.section and to.section not in self._sections:
            known = f"these are {', '.join(self._sections)}" if self._sections else "there are none"
            raise ValueError(f"[{to.section:.60}] is no section that the table names; {known}")
        if name not in self.changes and len(self.changes) + len(self._ending) >= MAX_CHANGES:
            raise ValueError(f"no more than {MAX_CHANGES} resources may differ from the INI")
        before = self._present(name)
        if to.location is None:
            self._end(name)
        else:
            self._point(name, self._maker.target(to.location, to.protocol))
        self._change(name, to, before)

    def remove(self, name: str) -> None:
        """Lead a resource nowhere; ValueError if there is no such resource."""
        if self.destination(name) is None:
            raise ValueError(f"no resource {name}; there are {', '.join(self.names) or 'none'}")
        before = self._present(name)
        self._end(name)
        self._change(name, None, before)

    def restore(self, changes: Changes) -> Iterator[str]:
        """Make these changes again after a start; what cannot be done is left out, and said."""
        for name, to in changes.items():
            try:
                if to is not None:
                    self.put(name, to)
                elif name in self._configured:
                    self.remove(name)
            except ValueError as reason:
                yield f"{name}: {reason}"

    def _present(self, name: str) -> Connections | None:
        """The port that calls of a resource go to, be it that of a shorter name."""
        found = self._table.find(f"/{name}", "")
        return None if isinstance(found, Fault) else self._port(found.port)

    def _port(self, found: str) -> Connections:
        """The port that the table names: one of our own, or that of a section."""
        return self._own[found] if found in self._own else self._section(found)

    def _point(self, name: str, target: ServiceTarget) -> None:
        key = _key(name)
        if key in self._own:
            self._own[key].relocate(target)
        else:
            self._own[key] = self._maker.port(target)

    def _change(
        self, name: str, to: ResourceDestination | None, before: Connections | None
    ) -> None:
        """Store a change, and make the table anew; calls of the resource went to `before`."""
        if str(to or "") == self.configured(name):
            self.changes.pop(name, None)
        else:
            self.changes[name] = to
        resources = dict(self._configured)
        for one, where in self.changes.items():
            if where is None:
                resources.pop(one, None)
            else:
                resources[one] = where.section or _key(one)
        if resources != self._table.resources:
            self._table = RouteTable(resources, self._table.operations)
            self.changed(before)

    def _end(self, name: str) -> None:
        """Let the port of a name end, if it has one."""
        port = self._own.pop(_key(name), None)
        if port is None:
            return
        if not self._ending:
            self._maker.ctx.call_later(SWEEP_INTERVAL, self._sweep)
        self._ending.append(port)

    def _sweep(self) -> None:
        """Stop the ports whose last call is answered."""
        holds = self._preparation.holds
        done = [one for one in self._ending if not len(one.port) and not holds(one)]
        self._ending = [one for one in self._ending if one not in done]
        for one in done:
            one.stop()
        if self._ending:
            self._maker.ctx.call_later(SWEEP_INTERVAL, self._sweep)


def _key(name: str) -> str:
    """What the table has for a port that belongs to a resource and to no section."""
    return f"/{name}"


def _nothing(before: Connections | None) -> None:
    """Do nothing: the owner has not set its `changed` yet."""
