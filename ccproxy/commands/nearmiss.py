"""Why a route that looks right does not match, and what is wrong with a message type. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from ccproxy.config.plan import RoutePlan

_PART = re.compile(r"[A-Za-z0-9_-]")
ALIKE = 0.75
"""How similar two names must be to be taken for a slip of the pen."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A route that does not match, though its author may have meant it to."""

    prefix: str
    line: int
    why: str


def fault_of(type: str) -> str:
    """What makes a text no message type; empty if it is one."""
    if not type:
        return "it is empty"
    if type.startswith(".") or type.endswith("."):
        return f"it {'starts' if type.startswith('.') else 'ends'} with a dot"
    if ".." in type:
        return "there is nothing between two of its dots"
    wrong = [char for char in type if char != "." and not _PART.match(char)]
    if wrong:
        found = ", ".join(repr(char) for char in dict.fromkeys(wrong))
        return f"only A-Z a-z 0-9 _ - and dots may be in it, not {found}"
    return ""


def repaired(type: str) -> str:
    """The type that may have been meant: stray dots and blanks left out."""
    return ".".join(part for part in type.strip().split(".") if part)


def near_misses(type: str, routes: tuple[RoutePlan, ...]) -> list[NearMiss]:
    """Routes that do not match but nearly do, in the order of the file."""
    found = []
    for route in sorted(routes, key=lambda one: one.line):
        if not matches(route.prefix, type) and (why := _why(route.prefix, type)):
            found.append(NearMiss(route.prefix, route.line, why))
    return found


def matches(prefix: str, type: str) -> bool:
    """True if a route with this prefix fires for this type."""
    return prefix == "*" or type == prefix or type.startswith(prefix + ".")


def _why(prefix: str, type: str) -> str:
    return next((why for rule in RULES if (why := rule(prefix, type))), "")


def _star(prefix: str, type: str) -> str:
    bare = prefix.rstrip("*").rstrip(".")
    if prefix == bare or not bare or not matches(bare, type):
        return ""
    return f'`*` means something only alone; write "{bare}", it matches everything below as well'


def _case(prefix: str, type: str) -> str:
    if not matches(prefix.lower(), type.lower()):
        return ""
    return "upper and lower case are different"


def _longer(prefix: str, type: str) -> str:
    if not prefix.startswith(type + "."):
        return ""
    return "the route is longer than the type; a route matches its type and what is below it"


def _whole_parts(prefix: str, type: str) -> str:
    if not type.startswith(prefix):
        return ""
    parts = type.split(".")[: prefix.count(".") + 1]
    return f'routes match by whole parts, "{prefix}" is not "{".".join(parts)}"'


def _slip(prefix: str, type: str) -> str:
    head = ".".join(type.split(".")[: prefix.count(".") + 1])
    if SequenceMatcher(None, prefix.lower(), head.lower()).ratio() < ALIKE:
        return ""
    return f'spelled differently: the type has "{head}"'


RULES: tuple[Callable[[str, str], str], ...] = (_star, _case, _longer, _whole_parts, _slip)
"""Asked in this order; the first that knows why answers."""
