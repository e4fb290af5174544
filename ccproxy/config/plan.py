"""The Plan: a whole configuration as one frozen, comparable, printable value.

`check` builds a Plan, `explain` asks it, `run` starts it, and a reload compares two of them. It
must never open, start or import anything itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.options import options_of
from ccproxy.config.problems import Problem
from ccproxy.core.rights import Rights


@dataclass(frozen=True, slots=True)
class HandlerPlan:
    """One `[h:NAME]` section: which handler, with which options, from which line.

    `word` is the handler's name in the INI, `factory` the Handler class found for it, and `refers`
    are the handler sections that its options name.
    """

    section: str
    word: str = field(compare=False)
    factory: type[Any]
    options: Any
    line: int = field(compare=False)
    refers: tuple[str, ...] = ()

    @property
    def state_files(self) -> tuple[str, ...]:
        """The databases that its options name, of which one process has each open at a time."""
        table = [one for one in options_of(self.factory.Options) if one.kind.opens == "database"]
        given = [getattr(self.options, one.field) for one in table]
        return tuple(str(Path(one).resolve()) for one in given if one)


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """One listening address: `cc-socket` (section `ccserver`) or a `[listen:NAME]` section.

    `protocol` is the word of the INI, `factory` the MessageProtocol class that was found for it;
    `lines` are the lines of its options by their names.
    """

    section: str
    protocol: str
    factory: type
    address: str
    options: Any
    line: int = field(compare=False)
    file: str = field(default="", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, hash=False)

    @property
    def type(self) -> str:
        """The first part of the types of its messages; "" where messages carry their type."""
        return str(getattr(self.options, "type", ""))

    def problem(self, option: str, what: str, hint: str = "", warning: bool = False) -> Problem:
        """A problem with an option of this section, at its line if the INI gives it."""
        line = self.lines.get(option, self.line)
        return Problem(self.file, line, f"[{self.section}]: {what}", hint, warning)

    def reached_by(self, address: str) -> bool:
        """True if a client on this machine that connects to `address` reaches this listener."""
        mine = self.address
        return bool(mine) and Address.parse(address).leads_to(Address.parse(mine))


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """One line of `[routes]`: a dotted prefix (`*` = every type) and sections in order."""

    prefix: str
    sections: tuple[str, ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class AllowPlan:
    """One `[allow:NAME]` section: `kind` is curve, plain or tls, `value` the key, user or name."""

    section: str
    kind: str
    value: str
    rights: Rights
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a server needs to start.

    `handlers` are the handlers that start, in order of first use, except that each handler comes
    after the handlers it refers to.
    """

    file: str
    job_name: str
    server: Any
    listeners: tuple[ListenerPlan, ...]
    routes: tuple[RoutePlan, ...]
    handlers: tuple[HandlerPlan, ...]
    allow: tuple[AllowPlan, ...] = ()

    @property
    def plugin_folders(self) -> tuple[str, ...]:
        """The folders with drop-in plugins; a relative one starts at the folder of the file."""
        here = Path(self.file).parent
        return tuple(str(here / folder) for folder in self.server.plugins)

    def handler(self, section: str) -> HandlerPlan | None:
        """The plan of one handler section; None if no handler starts from it."""
        return next((one for one in self.handlers if one.section == section), None)

    def listener(self, section: str) -> ListenerPlan | None:
        """The plan of one listener; None if there is no such section."""
        return next((one for one in self.listeners if one.section == section), None)

    @property
    def digest(self) -> str:
        """12 hex digits, equal for plans that do the same: lines and comments do not count."""
        text = "\n".join(_parts("", self))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


_SPELLING = frozenset({"file", "line", "lines", "word"})


def _parts(path: str, value: Any) -> Iterator[str]:
    """A text for each single value of the plan, the same in every process."""
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


_PLANS = (Plan, AllowPlan, HandlerPlan, ListenerPlan, RoutePlan)
