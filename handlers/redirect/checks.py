"""What `ccserver check` can say of a `redirect` section beyond its options.

It must never start or import anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy import Plan, Problem

from .options import Options
from .relocation import RELOCATE, is_relocation

HOOKS = ("before", "after")
CARRIES_HTTP = ("http", "https")
"""Protocols of services that can be passed HTTP as it is."""


def problems(name: str, options: Options, plan: Plan, kind: type) -> Iterator[Problem]:
    """The problems of section `name`, whose handler is of class `kind`."""
    found = plan.handler(name)
    line = found.line if found else 0
    for what, hint, warning in _all(name, options, plan, kind):
        yield Problem(plan.file, line, f"[{name}]: {what}", hint, warning)


_Found = Iterator[tuple[str, str, bool]]


def _all(name: str, options: Options, plan: Plan, kind: type) -> _Found:
    yield from _sections(options, plan, kind)
    yield from _couriers(options, plan)
    yield from _relocation(name, options, plan)
    yield from _passed(name, options, plan)


def _sections(options: Options, plan: Plan, kind: type) -> _Found:
    for section in dict.fromkeys((*options.redirects, *options.operations)):
        other = plan.handler(section)
        if other is None:
            continue
        if not issubclass(other.factory, kind):
            yield f"[{section}] is no redirect", "calls can only be forwarded by one", False
        elif other.options.location is None:
            yield f'[{section}] has no "location"', "only one section may divide calls", False


def _couriers(options: Options, plan: Plan) -> _Found:
    if options.couriers and options.location is None and not options.relocate_from:
        yield '"couriers" without "location"', "name them where the service is", False
    for section in options.couriers:
        other = plan.handler(section)
        if other and not all(callable(getattr(other.factory, hook, None)) for hook in HOOKS):
            yield f"[{section}] is no courier", "it lacks a method before or after", False


def _relocation(name: str, options: Options, plan: Plan) -> _Found:
    for listener in options.relocate_from:
        if plan.listener(listener) is None:
            known = ", ".join(one.section for one in plan.listeners)
            yield f'relocate-from: no listener "{listener}"', f"there are {known}", False
    prefixes = [one.prefix for one in plan.routes if name in one.sections]
    routed = any(is_relocation(one) or one == RELOCATE for one in prefixes)
    if routed and not options.relocate_from:
        yield "a route for relocations, but no listener may send any", "set relocate-from", True
    if options.relocate_from and not routed:
        hint = f"add to [routes]: {RELOCATE}.{name.removeprefix('h:')} = {name}"
        yield "relocate-from, but no route leads relocations here", hint, True


def _passed(name: str, options: Options, plan: Plan) -> _Found:
    """Requests that are passed as they are, to a service that cannot answer them."""
    if options.location is None or options.protocol in CARRIES_HTTP:
        return
    prefixes = [one.prefix for one in plan.routes if name in one.sections]
    for listener in plan.listeners:
        type = getattr(listener.options, "type", "")
        passes = getattr(listener.options, "http", "") == "pass"
        found = [one for one in prefixes if f"{one}.".startswith(f"{type}.")]
        if passes and found:
            what = f"requests of [{listener.section}] for {found[0]} get 502: it has http = pass"
            yield what, f"a service with protocol = {options.protocol} takes calls only", True
