"""Limits that make no sense together, although each of them alone does.

It must never ask the system: that is `check --environment`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy.config.ini import Entry
from ccproxy.config.kinds import size
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.core.memory import LEAST_SHARE

LEAST_MEMORY = 16 * 1024 * 1024
"""A smaller number is most likely one whose unit was forgotten."""


def memory_problems(plan: Plan, entry: Entry) -> Iterator[Problem]:
    """Warnings for the option `memory`, which the file gives in `entry`."""
    memory = plan.server.memory
    if not memory:
        return
    shown = f"memory = {size.show(memory)}"
    if memory < LEAST_MEMORY:
        yield entry.problem(f"{shown} holds hardly any message", "64 MiB or more", warning=True)
    for one in plan.listeners:
        longest = getattr(one.options, "max_message", 0)
        if 2 * longest > memory:
            what = f"a message of max-message = {size.show(longest)} takes most of {shown}"
            hint = "lower max-message, or its sender is closed when others wait as well"
            yield one.problem("max-message", what, hint, warning=True)
    peers = sum(one.options.max_peers for one in plan.listeners)
    if peers * LEAST_SHARE > memory:
        what = f"{shown}, but {peers} peers may hold {size.show(LEAST_SHARE)} each"
        yield entry.problem(what, "lower max-peers", warning=True)
