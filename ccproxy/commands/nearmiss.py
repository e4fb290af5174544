"""Why a route that looks right does not match, and what is wrong with a message type.

It must never ask a handler: it compares texts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nsmallest
from operator import itemgetter

from ccproxy.config.plan import RoutePlan

_PART = re.compile(r"[A-Za-z0-9_-]")
MAX_SHOWN = 5
"""The number of near misses that are shown."""
MIN_SIMILARITY = 0.75
"""From this similarity on, 0 to 1, a difference is taken for a spelling mistake."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A route that does not match, although its author may have expected it to."""

    prefix: str
    line: int
    why: str


def fault_of(type: str) -> str:
    """Why a text is not a message type; empty if it is one."""
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
    """The type that may have been meant: without superfluous dots and blanks."""
    return ".".join(part for part in type.strip().split(".") if part)


def near_misses(type: str, routes: tuple[RoutePlan, ...]) -> list[NearMiss]:
    """The `MAX_SHOWN` routes that come nearest to matching, in the order of the file."""
    found = []
    for route in routes:
        if not matches(route.prefix, type) and (why := _why(route.prefix, type)):
            miss = NearMiss(route.prefix, route.line, why)
            found.append((-_alike(route.prefix, type), route.line, miss))
    return sorted((one for *_, one in nsmallest(MAX_SHOWN, found, _RANK)), key=lambda one: one.line)


_RANK = itemgetter(0, 1)


def matches(prefix: str, type: str) -> bool:
    """True if a route with this prefix matches this type."""
    return prefix == "*" or type == prefix or type.startswith(prefix + ".")


def _why(prefix: str, type: str) -> str:
    return next((why for rule in RULES if (why := rule(prefix, type))), "")


def _star(prefix: str, type: str) -> str:
    bare = prefix.rstrip("*").rstrip(".")
    if prefix == bare or not bare or not matches(bare, type):
        return ""
    return f'`*` has a meaning only alone; write "{bare}", it matches everything below as well'


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
    head = _head(prefix, type)
    # A short word inside a longer one is another word, although all its letters occur there.
    longer = abs(len(prefix) - len(head)) > max(1, len(head) // 4)
    if longer or _alike(prefix, type) < MIN_SIMILARITY:
        return ""
    return f'spelled differently: the type has "{head}"'


def _alike(prefix: str, type: str) -> float:
    """The similarity of a prefix to the part of a type that it would have to match, 0 to 1."""
    return SequenceMatcher(None, prefix.lower(), _head(prefix, type).lower()).ratio()


def _head(prefix: str, type: str) -> str:
    return ".".join(type.split(".")[: prefix.count(".") + 1])


RULES: tuple[Callable[[str, str], str], ...] = (_star, _case, _longer, _whole_parts, _slip)
"""Called in this order; the first that returns a reason decides."""
