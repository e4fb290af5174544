"""From a message to the call it is: which names its type has used up, what is left to forward.

    route calc.Sum, type calc.Sum.A.sum    names A, operation sum
    route calc, type calc.sum              no names, operation sum
    route calc.sum, type calc.sum          the same

It must never look at values, or at who serves a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

ANY = "*"


class Way(NamedTuple):
    """What is left of a type behind the route that led here."""

    names: tuple[str, ...]
    operation: str


def way_of(type: str, routes: Iterable[str], head: int = 0) -> Way:
    """The way of a type; `head` parts of it are no names even for the route `*`."""
    parts = type.split(".")
    used = max(map(len, _matching(parts, routes)), default=0)
    return Way(tuple(parts[max(used, head) : -1]), parts[-1])


def _matching(parts: list[str], routes: Iterable[str]) -> Iterator[list[str]]:
    for route in routes:
        found = route.split(".")
        if route != ANY and parts[: len(found)] == found:
            yield found
