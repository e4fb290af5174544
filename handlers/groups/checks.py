"""What `ccserver check` says of the members of a group: a function of the plan, without effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ccproxy import Handler, LinkOptions, Plan, Problem


def faults(group: Handler, members: Sequence[str], plan: Plan) -> Iterator[Problem]:
    """What is wrong with the members, one after the other, and with their number."""
    for section, times in Counter(members).items():
        if times > 1:
            yield group.problem(plan, f"[{group.name}] names {section} {times} times")
        planned = plan.handler(section)
        if planned is None:
            continue
        if not planned.factory(section, planned.options).joins_groups:
            what = f"[{section}] cannot be a member of [{group.name}]: it has no link"
            hint = "members are sections with handler = proxy, or zmq with push, dealer or req"
            yield group.problem(plan, what, hint)
            continue
        yield from _shared(group, section, plan)
        if isinstance(planned.options, LinkOptions) and not planned.options.pings.interval:
            what = f"[{section}] has no heartbeat: a far side that stands still is not noticed"
            yield group.problem(plan, what, "add heartbeat = 2 s", warning=True)
    if len(set(members)) == 1:
        what = f"[{group.name}] has one member: nothing can take its place"
        yield group.problem(plan, what, "name more than one section in to", warning=True)


def _shared(group: Handler, section: str, plan: Plan) -> Iterator[Problem]:
    """Something else leads to a member as well: its messages would move with those of the group."""
    others = [f'route "{one.prefix}"' for one in plan.routes if section in one.sections]
    others += [
        f"[{one.section}]" for one in plan.handlers
        if section in one.refers and one.section != group.name
    ]  # fmt: skip
    if others:
        what = f"[{section}] is a member of [{group.name}], and {others[0]} leads to it as well"
        hint = "what waits there moves with the group: give the other one a section of its own"
        yield group.problem(plan, what, hint)
