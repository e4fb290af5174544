"""The verb `mesh`: what a Manager of services knows, and what it is to do.

Everything goes over CC messages `mesh.VERB` to the server of the Manager, which needs the route
`mesh = h:SECTION`; it may stand behind any number of servers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from ccproxy.client import Client, ClientLimits
from ccproxy.commands import common
from ccproxy.commands.columns import columns
from ccproxy.commands.send import address_of
from ccproxy.verb import Verb

from .operate import Refused, ask, cancel, operate

EXAMPLES = """\
examples:
  ccserver mesh conf/manager.ini status
  ccserver mesh conf/manager.ini graph --dot | dot -Tsvg > graph.svg
  ccserver mesh conf/manager.ini drain 10.0.0.2 --dry-run       only show what would be done
  ccserver mesh tcp://127.0.0.1:22670 scale orders 3
  ccserver mesh conf/manager.ini update orders=orders@2
  ccserver mesh conf/manager.ini cancel 7                       begin no further step
  ccserver mesh conf/manager.ini events --follow

Each operation shows its plan first, then its steps as they are done; it goes on without us.
The Manager's server needs the route: mesh = h:SECTION"""

Line = dict[str, Any]

TABLES = {
    "agents": ("agent", "address", "state", "heard", "repository", "instances"),
    "services": ("service", "program", "target", "running", "live", "waiting", "broken"),
    "instances": (
        "instance", "service", "program", "agent", "state", "since", "sockets", "health", "in",
        "out",
    ),
    "sessions": ("session", "edge", "source", "dest", "from", "to", "state", "stuck", "since"),
    "operations": ("operation", "command", "state", "done", "of", "reason"),
}  # fmt: skip
"""Tables of the Manager with their columns."""

EVENT = ("time", "what", "subject", "detail")
FOLLOW = 0.5
"""Seconds between two looks at what happened."""


class MeshVerb(Verb):
    """`ccserver mesh`."""

    about = "show and operate the services that a Manager runs"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is asked or done."""
        parser.add_argument(
            "to", metavar="ADDRESS|FILE", help="tcp://HOST:PORT, or the INI of the Manager's server"
        )
        both = argparse.ArgumentParser(add_help=False)
        both.add_argument("--json", action="store_true", help="print JSON")
        both.add_argument(
            "--timeout", metavar="S", type=float, default=5.0, help="wait for answers (default: 5)"
        )
        doing = argparse.ArgumentParser(add_help=False, parents=[both])
        doing.add_argument("--dry-run", action="store_true", help="show the plan, do nothing")
        doing.add_argument("--no-wait", action="store_true", help="do not watch it being done")
        words = parser.add_subparsers(
            dest="what", metavar="WHAT", required=True, help="what to show or to do"
        )
        for word, about in ABOUT:
            parents = [doing if word in OPERATIONS else both]
            one = words.add_parser(word, help=about, description=about, parents=parents)
            DECLARE.get(word, _nothing)(one)

    def run(self, options: argparse.Namespace) -> int:
        """Ask or do; 1 if nobody answers, the answer is no, or an operation fails."""
        address = address_of(options.to)
        if not address:
            return common.BAD_CONFIGURATION
        does: dict[str, Callable[[Client, argparse.Namespace], int]] = {
            "status": status, "sessions": sessions, "graph": graph, "events": events,
            "operations": operations, "cancel": cancel,
        }  # fmt: skip
        try:
            with Client(address, limits=ClientLimits(linger=0.0)) as client:
                return does.get(options.what, operate)(client, options)
        except Refused as refusal:
            return common.fail(str(refusal))
        except TimeoutError as error:
            return common.fail(f"{error}; is there a route: mesh = h:SECTION ?")
        except (ValueError, ConnectionError) as error:
            return common.fail(str(error))


OPERATIONS = ("drain", "undrain", "migrate", "scale", "update", "rebalance", "stop")

ABOUT = (
    ("status", "agents, services, instances and operations"),
    ("sessions", "every connection"),
    ("graph", "services, edges, and how many sessions are open on each"),
    ("events", "what happened lately"),
    ("operations", "operations under way and ended"),
    ("drain", "move everything away from a node"),
    ("undrain", "let a node take instances again"),
    ("migrate", "replace an instance by one elsewhere"),
    ("scale", "keep so many instances of a service"),
    ("update", "run a service by another program, one instance after the other"),
    ("rebalance", "spread sessions over the instances of a service again"),
    ("stop", "end an instance"),
    ("cancel", "begin no further step of an operation"),
)
"""What can be asked or done, and what that is."""


def _nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def _graph_form(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="for Graphviz")
    form.add_argument("--mermaid", action="store_true", help="for Mermaid")


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="an agent, node name or address")


def _drained(parser: argparse.ArgumentParser) -> None:
    _node(parser)
    parser.add_argument("--force", action="store_true", help="also what has no other place")


def _moved(parser: argparse.ArgumentParser) -> None:
    _instance(parser)
    parser.add_argument("node", metavar="NODE", nargs="?", default="", help="default: the best")


def _instance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="ID", type=int, help="number of an instance")


def _stopped(parser: argparse.ArgumentParser) -> None:
    _instance(parser)
    parser.add_argument("--hard", action="store_true", help="kill it")


def _service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE", help="name of a service")


def _scaled(parser: argparse.ArgumentParser) -> None:
    _service(parser)
    parser.add_argument("count", metavar="N", type=int, help="instances to keep")


def _updated(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("change", metavar="SERVICE=PROGRAM", help="what it is to run")


def _cancelled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OP", type=int, help="number of an operation")


def _followed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--follow", action="store_true", help="go on as they happen")


def _everything(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that have ended")


DECLARE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "sessions": _everything, "graph": _graph_form, "events": _followed, "drain": _drained,
    "undrain": _node, "migrate": _moved, "scale": _scaled, "update": _updated,
    "rebalance": _service, "stop": _stopped, "cancel": _cancelled,
}  # fmt: skip
"""The arguments of each word besides those of all."""


def rows_of(client: Client, args: argparse.Namespace, what: str) -> Iterator[Line]:
    """All rows of a table, page by page."""
    after = None
    while True:
        value = {"what": what, "after": after, "all": getattr(args, "all", False)}
        answer = ask(client, "list", value, args.timeout)
        yield from answer["rows"]
        after = answer["next"]
        if after is None:
            return


def status(client: Client, args: argparse.Namespace) -> int:
    """Tables of everything but sessions, of which there may be many."""
    summary = ask(client, "summary", {}, args.timeout)
    names = [name for name in TABLES if name != "sessions"]
    found = {name: list(rows_of(client, args, name)) for name in names}
    found["edges"] = ask(client, "graph", {}, args.timeout)["edges"]
    if args.json:
        print(json.dumps({"app": summary["app"], "sessions": summary["sessions"], **found}))
        return 0
    counts = ", ".join(f"{n} {state}" for state, n in sorted(summary["sessions"].items()))
    print(f"{summary['app']}: sessions {counts or 'none'}")
    for name in names:
        for line in (*columns(TABLES[name], found[name]), ""):
            print(line)
    return 0


def sessions(client: Client, args: argparse.Namespace) -> int:
    """One line each."""
    return _table(args, "sessions", rows_of(client, args, "sessions"))


def operations(client: Client, args: argparse.Namespace) -> int:
    """One line each."""
    return _table(args, "operations", rows_of(client, args, "operations"))


def _table(args: argparse.Namespace, what: str, rows: Iterator[Line]) -> int:
    if args.json:
        print(json.dumps(list(rows)))
        return 0
    for line in columns(TABLES[what], rows):
        print(line)
    return 0


def graph(client: Client, args: argparse.Namespace) -> int:
    """In the form that is asked for."""
    form = "dot" if args.dot else "mermaid" if args.mermaid else "text"
    answer = ask(client, "graph", {"form": form}, args.timeout)
    print(json.dumps(answer["edges"]) if args.json else answer["text"].rstrip("\n"))
    return 0


def events(client: Client, args: argparse.Namespace) -> int:
    """The latest, and with --follow what comes."""
    answer = ask(client, "events", {"latest": 50}, args.timeout)
    while True:
        for one in answer["rows"]:
            print(json.dumps(one) if args.json else event(one), flush=True)
        if not args.follow:
            return 0
        time.sleep(FOLLOW)
        last, answer = answer, ask(client, "events", {"since": answer["last"]}, args.timeout)
        if answer["last"] < last["last"]:
            # The Manager has been started anew, and counts from 1 again.
            answer = ask(client, "events", {"since": 0}, args.timeout)


def event(one: Line) -> str:
    """One event as a line."""
    clock = time.strftime("%H:%M:%S", time.localtime(one["time"]))
    alarm = "ALARM " if one["alarm"] else ""
    return f"{clock} {alarm}{one['what']} {one['subject']} {one['detail']}".rstrip()
