"""What `ccserver check` can say of an `ssmmp-agent` section beyond its options.

It must never start anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy import Plan, Problem

from ..repository import Repository
from ..watched_file import WatchedFile
from .options import Options


def problems(
    name: str, options: Options, plan: Plan, file: WatchedFile[Repository]
) -> Iterator[Problem]:
    """The problems of section `name`, and of its repository file."""
    found = plan.handler(name)
    line = found.line if found else 0
    try:
        yield from file.problems()
    except (OSError, ValueError) as error:
        yield Problem(plan.file, line, f"[{name}]: repository = {file.path}: {error}")
    listeners = [one for one in plan.listeners if one.protocol == "ssmmp"]
    if options.instances not in [one.address for one in listeners]:
        there = ", ".join(f"{one.section} at {one.address}" for one in listeners) or "none"
        what = f"[{name}]: instances = {options.instances}, but no listener with protocol = ssmmp"
        yield Problem(plan.file, line, f"{what} is there", f"there are: {there}")
    if not any(name in one.sections for one in plan.routes):
        what = f"[{name}]: no route leads to it"
        yield Problem(plan.file, line, what, f"add to [routes]: ssmmp = {name}", True)
