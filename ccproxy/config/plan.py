"""The Plan: a whole configuration as one frozen, comparable, printable value.

It is the only thing that reads configuration: `check` builds it, `explain` asks it, `run` starts
it, reload compares two. It must never open, start or import anything itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ccproxy.config.address import Address


@dataclass(frozen=True, slots=True)
class HandlerPlan:
    """One `[h:NAME]` section: which handler, with which options, from which line.

    `word` is what the INI asked for; `factory` the Handler class that was found for it; `refers`
    the handler sections its options name.
    """

    section: str
    word: str = field(compare=False)
    factory: type
    options: Any
    line: int = field(compare=False)
    refers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """One listening address: `cc-socket` (section `ccserver`) or a `[listen:NAME]` section.

    `type` is the first part of message types, for protocols that carry none.
    """

    section: str
    protocol: str
    address: str
    options: Any
    line: int = field(compare=False)
    type: str = ""

    def reached_by(self, address: str) -> bool:
        """True if who connects to this address from the same machine gets here."""
        return Address.parse(address).leads_to(Address.parse(self.address))


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """One line of `[routes]`: a dotted prefix (`*` = every type) and sections in order."""

    prefix: str
    sections: tuple[str, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a server needs to start.

    `handlers` holds those that start, in order of first use, but each after those it refers to.
    """

    file: str
    job_name: str
    server: Any
    listeners: tuple[ListenerPlan, ...]
    routes: tuple[RoutePlan, ...]
    handlers: tuple[HandlerPlan, ...]

    def handler(self, section: str) -> HandlerPlan | None:
        """The plan of one section, if it starts."""
        return next((one for one in self.handlers if one.section == section), None)

    def listener(self, section: str) -> ListenerPlan | None:
        """The plan of one listener."""
        return next((one for one in self.listeners if one.section == section), None)

    @property
    def digest(self) -> str:
        """12 hex digits, equal for plans that do the same; lines and comments do not count."""
        text = "\n".join(_parts("", self))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


_SPELLING = frozenset({"file", "line", "word"})


def _parts(path: str, value: Any) -> Iterator[str]:
    """A text for each leaf of the plan, the same in every process."""
    if isinstance(value, type):
        yield f"{path} {value.__module__}.{value.__qualname__}"
    elif is_dataclass(value):
        for one in fields(value):
            if one.name not in _SPELLING or not isinstance(value, _PLANS):
                yield from _parts(f"{path}.{one.name}", getattr(value, one.name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _parts(f"{path}[{number}]", one)
    elif isinstance(value, frozenset):
        yield f"{path} {sorted(map(repr, value))}"
    else:
        yield f"{path} {value!r}"


_PLANS = (Plan, HandlerPlan, ListenerPlan, RoutePlan)
