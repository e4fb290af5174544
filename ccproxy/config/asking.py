"""Asks a plugin's `check` about its section; whatever the plugin raises becomes a problem.

It must never run anything of a plugin by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ccproxy.config.plan import HandlerPlan, ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.core.plugin_code import PluginCode, fault_of


@contextmanager
def asking(
    one: HandlerPlan | ListenerPlan, plugin: str, file: str, sound: bool
) -> Iterator[list[Problem]]:
    """The list for what the block finds in the section of `one`; an error text names `plugin`.

    What the block raises takes the place of everything it has found. It counts only if the plan is
    `sound`, without mistakes so far: in an incomplete plan the fault need not be the plugin's.
    """
    found: list[Problem] = []
    try:
        with PluginCode():
            yield found
        for problem in found:
            if not isinstance(problem, Problem):
                raise TypeError(f"check gave {problem!r}, expected a Problem")
    except Exception as error:
        found.clear()
        if sound:
            what = f"[{one.section}] cannot be checked: {type(error).__name__}: {error}"
            found.append(Problem(file, one.line, what, fault_of(plugin, error)))
