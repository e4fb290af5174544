"""The verb `explain`: shows where the messages of a type go, and why not elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from ccproxy.commands import common
from ccproxy.commands.explanation import (
    AskedMember,
    Decision,
    Destination,
    Explanation,
    explain,
)
from ccproxy.commands.live_flow import LiveExplanation
from ccproxy.commands.nearmiss import repaired

EXAMPLES = """\
examples:
  ccserver explain conf/src.ini pub.infofile.web
  ccserver explain --json conf/dst.ini log.info task.send
  ccserver explain --live conf/src.ini log.info      the flow in the running server, with counts

The handlers of the configuration are asked, but nothing is opened or sent. With --live the running
server is asked instead, and FILE may be its control socket or its port; a type that did not come
lately has no flow.
exit status: 0 every type has a route, 1 one is unrouted or malformed, 78 bad configuration"""


class ExplainVerb(LiveExplanation):
    """`ccserver explain`."""

    about = "show where messages of a type would go, and why"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is explained."""
        super().arguments(parser)
        parser.add_argument(
            "types", metavar="TYPE", nargs="+", help="message type, such as log.info"
        )
        parser.add_argument(
            "--live", action="store_true", help="ask the running server for the flow of each type"
        )

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The types that have routes."""
        return common.route_prefixes(file) if metavar == "TYPE" else ()

    def run(self, options: argparse.Namespace) -> int:
        """Explain each type; return the exit status."""
        if options.live:
            return super().run(options)
        if not isinstance(options.file, Path):
            return common.fail(f"{options.file} is a running server: --live", common.WRONG_USAGE)
        plan, problems = common.load(options.file)
        common.print_problems(problems)
        if plan is None:
            return common.BAD_CONFIGURATION
        explanations = asyncio.run(explain(plan, options.types))
        if options.json:
            print(json.dumps([as_json(one) for one in explanations], indent=2))
        else:
            print("\n\n".join("\n".join(lines(one, str(options.file))) for one in explanations))
        lost = any(one.fate in ("unrouted", "malformed") for one in explanations)
        return common.FAILED if lost else 0


def as_json(one: Explanation) -> dict[str, object]:
    """An explanation for JSON, together with what follows from it."""
    return {**asdict(one), "fate": one.fate, "static": one.static}


def lines(one: Explanation, file: str) -> Iterator[str]:
    """An explanation as text."""
    yield one.type or '""'
    if one.fault:
        yield f"  no message type: {one.fault}"
        meant = repaired(one.type)
        if meant and meant != one.type:
            yield f'  perhaps "{meant}" is meant'
    for match in one.matches:
        yield f"  {file}:{match.line} route {match.prefix} matches"
        for asked in match.asked:
            yield f"    {asked.section} ({asked.handler}, line {asked.line}): {answer(asked)}"
            if asked.members:
                yield from member_lines(asked.members, "      ")
            else:
                yield from (f"      {place(to)}" for to in asked.destinations)
            if asked.about:
                yield f"      {asked.about}"
    if not one.matches and not one.fault:
        yield "  no route matches"
    for miss in one.near_misses:
        yield f"  {file}:{miss.line} route {miss.prefix} does not match: {miss.why}"
    yield f"  => {one.fate}{summary(one)}"


def answer(asked: Decision) -> str:
    """What a handler decided, as text."""
    if asked.verdict == "forward":
        return f"forwards to {chosen(asked.members)}" if asked.members else "forwards to"
    if asked.verdict == "discard":
        return f"discards it: {asked.reason}"
    if asked.verdict == "deliver":
        others = [name for name in asked.receivers if name != asked.section]
        return f"passes it to {', '.join(others)}" if others else "sees each message"
    return asked.reason


def member_lines(members: Iterable[AskedMember], indent: str) -> Iterator[str]:
    """The members of a group, each with what is behind it."""
    for one in members:
        others = "" if one.used else ", not used while all are up"
        yield f"{indent}member {one.section}{others}"
        yield from (f"{indent}  {place(to)}" for to in one.destinations)
        yield from member_lines(one.members, indent + "  ")


def chosen(members: Iterable[AskedMember]) -> str:
    """The members of a group that get messages while all are up; each message goes to one."""
    used = [one for one in members if one.used]
    names = ", ".join(
        f"{one.section} ({chosen(one.members)})" if one.members else one.section for one in used
    )
    return names if len(used) == 1 else f"one of {names}"


def place(to: Destination) -> str:
    """A link with its queue, or another sink, as words."""
    if not to.on_full:
        return to.address
    messages = f" or {to.queue_messages} messages" if to.queue_messages else ""
    return f"{to.address}, queue {common.size(to.queue)}{messages}, on-full {to.on_full}"


def summary(one: Explanation) -> str:
    """What a message of this type costs, as text."""
    if not one.matches:
        return ""
    places = sum(len(asked.destinations) for asked in one.asked if not asked.members)
    seen = [name for asked in one.asked for name in asked.receivers]
    told = [f"to {places} link{'s' if places > 1 else ''}"] if places else []
    for asked in one.asked:
        if asked.members:
            members = f"{len(asked.members)} members of {asked.section}"
            told.append(f"to {chosen(asked.members)}, of the {members}")
    if seen:
        told.append(f"each message is seen by {', '.join(seen)}")
    else:
        told.append("decided once for the type, no handler runs per message")
    return ": " + "; ".join(told)
