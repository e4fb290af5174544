"""What a Manager knows, on the terminal: tables, the graph, events; with --json as JSON.

It must never change anything.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

from ccproxy.commands.columns import columns

from ..graph import ON_DEMAND
from .manager_client import Fields, ManagerClient

TABLES = {
    "alarms": ("alarm", "subject", "since", "detail"),
    "agents": ("agent", "address", "state", "heard", "repository", "instances"),
    "services": ("service", "program", "start", "target", "running", "live", "waiting", "broken"),
    "instances": (
        "instance", "service", "program", "agent", "state", "since", "sockets", "health", "in",
        "out",
    ),
    "sessions": ("session", "edge", "source", "dest", "from", "to", "state", "stuck", "since"),
    "operations": ("operation", "command", "state", "done", "of", "reason"),
}  # fmt: skip
"""Tables of the Manager with their columns."""

FOLLOW_INTERVAL = 0.5
"""Seconds between two looks at what happened."""
LATEST_EVENTS = 50
"""Events that are shown at first."""


def status(manager: ManagerClient, options: argparse.Namespace) -> int:
    """Tables of everything but sessions, of which there may be many."""
    summary = manager.ask("summary", {})
    names = [name for name in TABLES if name != "sessions"]
    found = {name: list(manager.rows(name)) for name in names}
    found["edges"] = manager.ask("graph", {})["edges"]
    if options.json:
        print(json.dumps({"app": summary["app"], "sessions": summary["sessions"], **found}))
        return 0
    counts = ", ".join(f"{n} {state}" for state, n in sorted(summary["sessions"].items()))
    print(f"{summary['app']}: sessions {counts or 'none'}")
    found["services"] = [{**one, "target": target_text(one)} for one in found["services"]]
    for name in names:
        if name == "alarms" and not found[name]:
            continue
        for line in (*columns(TABLES[name], found[name]), ""):
            print(line)
    return 0


def target_text(service: Fields) -> str:
    """How many instances of a service are kept: a number, or why none is."""
    if service.get("down"):
        return "down"
    if not service["target"] and service.get("start") == ON_DEMAND:
        return "on demand"
    return str(service["target"])


def sessions(manager: ManagerClient, options: argparse.Namespace) -> int:
    """One line each."""
    return _table("sessions", manager.rows("sessions", all=options.all), options)


def operations(manager: ManagerClient, options: argparse.Namespace) -> int:
    """One line each."""
    return _table("operations", manager.rows("operations"), options)


def _table(name: str, rows: Iterator[Fields], options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(list(rows)))
        return 0
    for line in columns(TABLES[name], rows):
        print(line)
    return 0


def graph(manager: ManagerClient, options: argparse.Namespace) -> int:
    """In the form that is asked for."""
    form = "dot" if options.dot else "mermaid" if options.mermaid else "text"
    answer = manager.ask("graph", {"form": form})
    print(json.dumps(answer["edges"]) if options.json else answer["text"].rstrip("\n"))
    return 0


def events(manager: ManagerClient, options: argparse.Namespace) -> int:
    """The latest, and with --follow what comes."""
    answer = manager.ask("events", {"latest": LATEST_EVENTS})
    while True:
        for one in answer["rows"]:
            print(json.dumps(one) if options.json else event_text(one), flush=True)
        if not options.follow:
            return 0
        time.sleep(FOLLOW_INTERVAL)
        last, answer = answer, manager.ask("events", {"since": answer["last"]})
        if answer["last"] < last["last"]:
            # The Manager has been started anew, and counts from 1 again.
            answer = manager.ask("events", {"since": 0})


def event_text(event: Fields) -> str:
    """One event as a line."""
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    alarm = "ALARM " if event["alarm"] else ""
    return f"{clock} {alarm}{event['what']} {event['subject']} {event['detail']}".rstrip()
