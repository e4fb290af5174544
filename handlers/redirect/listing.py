"""All redirects of a server as lines: one for each place and each resource.

    REDIRECT  RESOURCE  TO                              CALLS  CHANGED        KEPT IN
    h:calc    Sum       h:sum                               -  -              /var/lib/calc.state
    h:calc    Mul       socket://h:3 in http                -  added, saved   /var/lib/calc.state
    h:sum     -         socket://h:2 in sodep               4  from socket://h:1 in sodep  -

It works from what `status()` of each redirect says, and must never ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ccproxy.commands.columns import columns

HEADINGS = ("redirect", "resource", "to", "calls", "changed", "kept in")


@dataclass(frozen=True, slots=True)
class ListedPlace:
    """One place that calls go to: of a redirect itself, or of one of its resources.

    `to` is empty for a resource that is removed; `changed` says what is other than in the INI.
    """

    redirect: str
    resource: str
    to: str
    calls: int | None
    changed: str
    state: str


def places(redirects: Mapping[str, Mapping[str, Any]]) -> list[ListedPlace]:
    """The places in what redirects say of themselves, by section; ValueError for other facts."""
    try:
        return [one for section, facts in redirects.items() for one in _places(section, facts)]
    except (AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"no status of a redirect of this version: {error!r}") from None


def lines(found: Iterable[ListedPlace]) -> Iterator[str]:
    """The places as columns of text."""
    rows = [{**asdict(one), "kept in": one.state} for one in found]
    return columns(HEADINGS, rows)


def rest(redirects: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is left out: the sections that have more resources than they show in a status."""
    for section, facts in redirects.items():
        if "resources-in-all" in facts:
            left = int(facts["resources-in-all"]) - len(facts.get("resources", {}))
            yield f"{section} has {left} more resources; `relocate FILE NAME` shows all of them"


def _places(section: str, facts: Mapping[str, Any]) -> Iterator[ListedPlace]:
    state = str(facts.get("state", ""))
    if "location" in facts:
        to = f"{facts['location']} in {facts['protocol']}"
        yield ListedPlace(section, "", to, facts["calls"], str(facts.get("moved", "")), state)
    changed = dict(facts.get("changed", {}))
    for name, to in facts.get("resources", {}).items():
        yield ListedPlace(section, name, str(to), None, str(changed.pop(name, "")), state)
    for name, what in changed.items():
        yield ListedPlace(section, name, "", None, str(what), state)
