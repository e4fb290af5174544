"""Operations on a mesh: what would be done, doing it, and watching it step by step.

    drain NODE        move everything away from a node
    scale SERVICE N   keep so many instances of a service, and so on

The Manager makes the plan and carries it out; it goes on without whoever watches.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from ccproxy.client import Client
from ccproxy.commands import common

Line = dict[str, Any]

POLL = 0.2
"""Seconds between two looks at an operation."""
AWAY = 30.0
"""Seconds without an answer after which watching is given up; a restart takes less."""
UNDER_WAY = ("running", "stopping")


class Refused(Exception):
    """The Manager did not do it; the text says why."""


def ask(client: Client, verb: str, value: Mapping[str, Any], timeout: float) -> Line:
    """The answer to one message; Refused if it is an error, TimeoutError if none came."""
    answer = client.request(f"mesh.{verb}", value, timeout=timeout).value
    if "error" in answer:
        raise Refused(str(answer["error"]))
    return answer


def command_of(args: argparse.Namespace) -> Line:
    """The fields of a command, from its arguments."""
    names = ("node", "force", "instance", "service", "count", "program", "hard")
    found = {name: getattr(args, name) for name in names if hasattr(args, name)}
    if args.what == "update":
        service, equals, program = args.change.partition("=")
        if not (service and equals and program):
            raise Refused(f"{args.change!r}, expected SERVICE=PROGRAM")
        found = {"service": service, "program": program}
    return {"command": args.what, **found}


def operate(client: Client, args: argparse.Namespace) -> int:
    """Show the plan, carry it out, and watch; 1 if it is refused or fails."""
    command = command_of(args)
    plan = ask(client, "plan", command, args.timeout)["plan"]
    show_plan(plan, args.json)
    if plan["refusal"]:
        return common.FAILED
    if args.dry_run:
        return 0
    answer = ask(client, "execute", command, args.timeout)
    if not answer["operation"]:
        raise Refused(answer["plan"]["refusal"])
    say(args.json, {"operation": answer["operation"]}, f"operation {answer['operation']}")
    if args.no_wait:
        return 0
    try:
        return watch(client, args, answer["operation"])
    except KeyboardInterrupt:
        number = answer["operation"]
        return common.fail(
            f"operation {number} goes on; stop it between two steps by\n"
            f"  ccserver mesh {args.to} cancel {number}"
        )


def cancel(client: Client, args: argparse.Namespace) -> int:
    """Begin no further step, and watch the steps under way end."""
    row = ask(client, "cancel", {"operation": args.operation}, args.timeout)["operation"]
    say(args.json, row, f"operation {row['operation']}: {row['state']}")
    watch(client, args, args.operation)
    return 0


def show_plan(plan: Line, as_json: bool) -> None:
    """What would be done, and who is touched by it."""
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


def step_text(step: Line) -> str:
    """One step of a plan in words."""
    kind, subject, node, number = (step[name] for name in ("kind", "subject", "node", "number"))
    words = {
        "start": f"start {subject}" + (f" on {node}" if node else ""),
        "drain": f"close the sessions of instance {subject}, then end it",
        "kill": f"kill instance {subject}",
        "close": f"close sessions to instance {subject} down to {number}",
        "hold": f"let requests for {subject} wait",
        "release": f"answer requests for {subject} again",
        "goal": f"keep {number} of {subject}",
        "program": f"run {subject} by the program {node}",
        "await": f"wait for {number} of {subject}",
        "watch": f"watch {subject}",
        "empty node": f"place nothing more on {subject}",
        "use node": f"place on {subject} again",
    }
    return words.get(kind, f"{kind} {subject}")


def watch(client: Client, args: argparse.Namespace, number: int) -> int:
    """Print each step as its state changes, until the operation is over; 0 if it is done."""
    seen: dict[int, str] = {}
    answered = time.monotonic()
    while True:
        try:
            row = _operation(client, number)
        except (TimeoutError, ConnectionError):
            if time.monotonic() - answered > AWAY:
                raise
            continue
        answered = time.monotonic()
        _news(row, seen, args.json)
        if row["state"] not in UNDER_WAY:
            text = f"operation {number}: {row['state']} {row['reason']}".rstrip()
            say(args.json, row, text)
            return 0 if row["state"] == "done" else common.FAILED
        time.sleep(POLL)


def _operation(client: Client, number: int) -> Line:
    value = {"what": "operations", "after": number - 1, "most": 1}
    rows = ask(client, "list", value, 2.0)["rows"]
    if not rows or rows[0]["operation"] != number:
        raise Refused(f"no operation {number}")
    found: Line = rows[0]
    return found


def _news(row: Line, seen: dict[int, str], as_json: bool) -> None:
    for place, step in enumerate(row["steps"], 1):
        state = step.rpartition(": ")[2]
        if state != "planned" and seen.get(place) != step:
            about = {"operation": row["operation"], "step": place, "of": row["of"], "text": step}
            say(as_json, about, f"  {place:>3}/{row['of']} {step}")
        seen[place] = step


def say(as_json: bool, value: Line, text: str) -> None:
    """One line, in either form."""
    print(json.dumps(value) if as_json else text, flush=True)
