"""What `ccserver check` can say of a Manager's section beyond its options.

It must never start anything; of files it reads the graph alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy import Plan, Problem

from ..graph import Graph
from ..watched_file import WatchedFile
from .options import Options


def problems(
    name: str, options: Options, plan: Plan, graph: WatchedFile[Graph]
) -> Iterator[Problem]:
    """All mistakes of the graph with their lines; listeners and routes of section `name`."""
    found = plan.handler(name)
    line = found.line if found else 0
    try:
        yield from graph.problems()
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
