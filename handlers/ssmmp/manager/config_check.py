"""What `ccserver check` can say of a Manager's section beyond its options.

It must never start anything; of files it reads the graph alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ccproxy import Plan, Problem

from .. import graphfile
from .options import Options


def problems(name: str, options: Options, plan: Plan) -> Iterator[Problem]:
    """All mistakes of the graph with their lines; listeners and routes of section `name`."""
    found = plan.handler(name)
    line = found.line if found else 0
    try:
        _, mistakes = graphfile.parse(options.graph, read(options.graph))
        yield from mistakes
    except (OSError, ValueError) as error:
        yield Problem(plan.file, line, f"[{name}]: graph = {options.graph}: {error}")
    for listener in options.operate_from:
        if plan.listener(listener) is None:
            known = ", ".join(one.section for one in plan.listeners)
            what = f'[{name}]: operate-from: no listener "{listener}"'
            yield Problem(plan.file, line, what, f"there are {known}")
    if not any(name in one.sections for one in plan.routes):
        what = f"[{name}]: no route leads to it"
        yield Problem(plan.file, line, what, f"add to [routes]: ssmmp = {name}", True)


def read(file: str) -> str:
    """The text of a file; OSError, ValueError if it is not UTF-8."""
    return Path(file).read_text("utf-8")
