"""Operations on a mesh: what would be done, doing it, and watching it step by step.

    drain NODE        move everything away from a node
    scale SERVICE N   keep so many instances of a service, and so on

The Manager makes the plan and carries it out; it goes on when the verb that watches it is ended.
The arguments of a command are those of the table in `ssmmp.commands`.
"""

from __future__ import annotations

import argparse
import json
import time

from ccproxy.commands import common

from ..commands import COMMANDS, Argument, OperatorCommand, arguments
from .manager_client import Fields, ManagerClient, RefusedByManager

POLL_INTERVAL = 0.2
"""Seconds between two looks at an operation."""
POLL_TIMEOUT = 2.0
"""Seconds that one look may take."""
WATCH_TIMEOUT = 30.0
"""Seconds without an answer after which watching is given up; a restart of a Manager takes less."""
UNDER_WAY = ("running", "stopping")

STEP_TEXTS = {
    "start": "start {subject}{place}",
    "drain": "close the sessions of instance {subject}, then end it",
    "kill": "kill instance {subject}",
    "close": "close sessions to instance {subject} down to {number}",
    "hold": "let requests for {subject} wait",
    "release": "answer requests for {subject} again",
    "goal": "keep {number} of {subject}",
    "program": "run {subject} by the program {node}",
    "await": "wait for {number} of {subject}",
    "watch": "watch {subject}",
    "empty node": "place nothing more on {subject}",
    "use node": "place on {subject} again",
    "down": "stop {subject}, {number} instances",
    "up": "start {subject} again, {number} instances",
}
"""The steps of plans in words, by their kind."""


def declare(parser: argparse.ArgumentParser, command: type[OperatorCommand]) -> None:
    """Declare the arguments of a command."""
    for group in _groups(command):
        first = group[0]
        if first.type is bool:
            parser.add_argument(f"--{first.name}", action="store_true", help=first.help)
            continue
        metavar = "=".join(one.metavar for one in group)
        if first.required:
            parser.add_argument(first.name, metavar=metavar, type=first.type, help=first.help)
            continue
        parser.add_argument(
            first.name, metavar=metavar, type=first.type, help=first.help,
            nargs="?", default=first.default,
        )  # fmt: skip


def fields_of(options: argparse.Namespace) -> Fields:
    """The message of a command, from its arguments; ValueError if joined ones are not."""
    found: Fields = {"command": options.what}
    for group in _groups(COMMANDS[options.what]):
        value = getattr(options, group[0].name)
        found.update(_apart(group, value) if len(group) > 1 else {group[0].name: value})
    return found


def _apart(group: list[Argument], text: str) -> Fields:
    """The values of arguments that are written as one."""
    values = text.split("=", len(group) - 1)
    if len(values) < len(group) or "" in values:
        raise ValueError(f"{text!r}, expected {'='.join(one.metavar for one in group)}")
    return {one.name: value for one, value in zip(group, values, strict=True)}


def _groups(command: type[OperatorCommand]) -> list[list[Argument]]:
    """The arguments of a command; those that are written as one are in one group."""
    groups: list[list[Argument]] = []
    for one in arguments(command):
        if one.joined:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def operate(manager: ManagerClient, options: argparse.Namespace) -> int:
    """Show the plan, carry it out, and watch; 1 if it is refused or fails."""
    command = fields_of(options)
    plan = manager.ask("plan", command)["plan"]
    show_plan(plan, options.json)
    if plan["refusal"]:
        return common.FAILED
    if options.dry_run:
        return 0
    answer = manager.ask("execute", command)
    number = answer["operation"]
    if not number:
        raise RefusedByManager(answer["plan"]["refusal"])
    _print(options.json, {"operation": number}, f"operation {number}")
    if options.no_wait:
        return 0
    try:
        return watch(manager, options, number)
    except KeyboardInterrupt:
        return common.fail(
            f"operation {number} goes on; stop it between two steps by\n"
            f"  ccserver mesh {options.to} cancel {number}"
        )


def reload(manager: ManagerClient, options: argparse.Namespace) -> int:
    """Show what the graph file of the Manager would change, and have it read again."""
    answer = manager.ask("reload", {"dry_run": options.dry_run})
    if options.json:
        print(json.dumps(answer))
        return 0
    for line in answer["changes"] or ["nothing differs"]:
        print(f"graph: {line}")
    show_plan(answer["plan"], False)
    print("nothing is changed" if options.dry_run else "the graph is reloaded")
    return 0


def cancel(manager: ManagerClient, options: argparse.Namespace) -> int:
    """Begin no further step, and watch the steps under way end."""
    row = manager.ask("cancel", {"operation": options.operation})["operation"]
    _print(options.json, row, f"operation {row['operation']}: {row['state']}")
    watch(manager, options, options.operation)
    return 0


def show_plan(plan: Fields, as_json: bool) -> None:
    """What would be done, and the clients that are touched by it."""
    if as_json:
        print(json.dumps({"plan": plan}), flush=True)
        return
    print(f"plan: {plan['command']}")
    if plan["refusal"]:
        print(f"  refused: {plan['refusal']}", flush=True)
        return
    for number, step in enumerate(plan["steps"], 1):
        print(f"  {number:>3} {step_text(step)}")
    if not plan["steps"]:
        print("  nothing to do")
    for line in plan["touches"]:
        print(f"  touches {line}")
    print(end="", flush=True)


def step_text(step: Fields) -> str:
    """One step of a plan in words; one that a newer Manager has made up, by its names."""
    text = STEP_TEXTS.get(step["kind"], "{kind} {subject}")
    place = f" on {step['node']}" if step["node"] else ""
    return text.format(place=place, **step)


def watch(manager: ManagerClient, options: argparse.Namespace, number: int) -> int:
    """Print each step as its state changes, until the operation is over; 0 if it is done."""
    seen: dict[int, str] = {}
    answered = time.monotonic()
    while True:
        try:
            row = manager.operation(number, POLL_TIMEOUT)
        except (TimeoutError, ConnectionError):
            if time.monotonic() - answered > WATCH_TIMEOUT:
                raise
            continue
        answered = time.monotonic()
        _print_changes(row, seen, options.json)
        if row["state"] not in UNDER_WAY:
            text = f"operation {number}: {row['state']} {row['reason']}".rstrip()
            _print(options.json, row, text)
            return 0 if row["state"] == "done" else common.FAILED
        time.sleep(POLL_INTERVAL)


def _print_changes(row: Fields, seen: dict[int, str], as_json: bool) -> None:
    for place, step in enumerate(row["steps"], 1):
        state = step.rpartition(": ")[2]
        if state != "planned" and seen.get(place) != step:
            about = {"operation": row["operation"], "step": place, "of": row["of"], "text": step}
            _print(as_json, about, f"  {place:>3}/{row['of']} {step}")
        seen[place] = step


def _print(as_json: bool, value: Fields, text: str) -> None:
    """One line, in either form."""
    print(json.dumps(value) if as_json else text, flush=True)
