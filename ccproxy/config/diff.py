"""The difference of two Plans: what a reload has to start, stop and replace.

It must never start or stop anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ccproxy.config.options import options_of
from ccproxy.config.plan import HandlerPlan, Plan


@dataclass(frozen=True, slots=True)
class Delta:
    """Section names by what happens to them: removed ones in the old order, others in the new."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two plans; false when nothing does.

    A changed handler has to be replaced, and so has a handler that refers to a replaced one.
    `server` are the INI names of changed `[ccserver]` options other than listener options, and
    `fixed` the INI names of changed options that need a restart.
    """

    listeners: Delta
    handlers: Delta
    routes: bool
    server: tuple[str, ...]
    fixed: tuple[str, ...]
    allow: bool = False

    def __bool__(self) -> bool:
        return bool(self.listeners or self.handlers or self.routes or self.server or self.allow)

    def __str__(self) -> str:
        return "; ".join(_lines(self)) or "nothing changed"


def diff(old: Plan, new: Plan) -> Change:
    """Compare the running plan with the one that is to take its place."""
    server = tuple(
        option
        for option in options_of(type(new.server))
        if getattr(old.server, option.field) != getattr(new.server, option.field)
    )
    listener_fields = {one.field for listener in new.listeners for one in
                       options_of(type(listener.options))} | {"cc_socket"}  # fmt: skip
    return Change(
        listeners=_delta(_by_section(old.listeners), _by_section(new.listeners)),
        handlers=_handlers(old, new),
        routes=_routes(old) != _routes(new),
        server=tuple(one.name for one in server if one.field not in listener_fields),
        fixed=tuple(one.name for one in server if not one.reloadable),
        allow=set(old.allow) != set(new.allow),
    )


def _by_section(plans: Iterable[Any]) -> dict[str, Any]:
    return {one.section: one for one in plans}


def _routes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The routes without their order in the file, which has no meaning."""
    return {route.prefix: route.sections for route in plan.routes}


def _delta(old: Mapping[str, Any], new: Mapping[str, Any]) -> Delta:
    return Delta(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and old[name] != new[name]),
        kept=tuple(name for name in new if name in old and old[name] == new[name]),
    )


def _handlers(old: Plan, new: Plan) -> Delta:
    """As for listeners, but a handler that refers to a replaced handler is replaced as well."""
    before: dict[str, HandlerPlan] = _by_section(old.handlers)
    delta = _delta(before, _by_section(new.handlers))
    replaced = {*delta.added, *delta.changed}
    for one in new.handlers:  # handlers come after those they refer to, so one pass is enough
        if replaced.intersection(one.refers):
            replaced.add(one.section)
    replaced -= set(delta.added)
    common = [one.section for one in new.handlers if one.section in before]
    return Delta(
        added=delta.added,
        removed=delta.removed,
        changed=tuple(name for name in common if name in replaced),
        kept=tuple(name for name in common if name not in replaced),
    )


def _lines(change: Change) -> Iterable[str]:
    for kind, delta in (("listener", change.listeners), ("handler", change.handlers)):
        for word in ("added", "removed", "changed"):
            names = getattr(delta, word)
            if names:
                yield f"{kind}s {word}: {', '.join(names)}"
    if change.routes:
        yield "routes changed"
    if change.allow:
        yield "[allow:...] sections changed"
    if change.server:
        yield f"[ccserver] changed: {', '.join(change.server)}"
    if change.fixed:
        yield f"needs a restart: {', '.join(change.fixed)}"
