"""The verb `mesh`: what a Manager of services knows, and what it is to do.

Everything goes over CC messages `mesh.VERB` to the server of the Manager, which needs the route
`mesh = h:SECTION`; any number of servers may be in between. The words that change something are
those of the table in `ssmmp.commands`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccproxy.client import Client, ClientLimits
from ccproxy.commands import common
from ccproxy.commands.send import address_of
from ccproxy.reach import reach
from ccproxy.verb import Verb

from .. import graphfile
from ..commands import COMMANDS
from ..manager.options import Options
from . import operate, show
from .manager_client import ManagerClient, RefusedByManager

EXAMPLES = """\
examples:
  ccserver mesh conf/manager.ini status
  ccserver mesh conf/manager.ini graph --dot | dot -Tsvg > graph.svg
  ccserver mesh conf/manager.ini drain 10.0.0.2 --dry-run       only show what would be done
  ccserver mesh tcp://127.0.0.1:22670 scale orders 3
  ccserver mesh conf/manager.ini update orders=orders@2
  ccserver mesh conf/manager.ini cancel 7                       begin no further step
  ccserver mesh conf/manager.ini reload --dry-run               what another graph would change
  ccserver mesh conf/manager.ini down                           stop everything in order
  ccserver mesh conf/manager.ini events --follow

Each operation shows its plan first, then its steps as they are done; it goes on without us.
The Manager's server needs the route: mesh = h:SECTION"""

Declare = Callable[[argparse.ArgumentParser], None]
Run = Callable[[ManagerClient, argparse.Namespace], int]


def _nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments besides those of all words."""


def _graph(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="for Graphviz")
    form.add_argument("--mermaid", action="store_true", help="for Mermaid")


def _events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--follow", action="store_true", help="go on as they happen")


def _sessions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that have ended")


def _cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OP", type=int, help="number of an operation")


def _reload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would change, do nothing")


@dataclass(frozen=True, slots=True)
class MeshWord:
    """What can be asked or done: `declare` its arguments, `run` it. `operation` = it is a plan that
    can be shown only, and watched."""

    word: str
    about: str
    run: Run
    declare: Declare = _nothing
    operation: bool = False


WORDS = (
    MeshWord("status", "agents, services, instances and operations", show.status),
    MeshWord("sessions", "every connection", show.sessions, _sessions),
    MeshWord(
        "graph", "services, edges, and how many sessions are open on each", show.graph, _graph
    ),
    MeshWord("events", "what happened lately", show.events, _events),
    MeshWord("operations", "operations under way and ended", show.operations),
    *(
        MeshWord(
            word, command.about, operate.operate, partial(operate.declare, command=command), True
        )
        for word, command in COMMANDS.items()
    ),
    MeshWord("cancel", "begin no further step of an operation", operate.cancel, _cancel),
    MeshWord("reload", "read the graph file of the Manager again", operate.reload, _reload),
)


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
        for one in WORDS:
            parents = [doing if one.operation else both]
            about = one.about
            one.declare(words.add_parser(one.word, help=about, description=about, parents=parents))

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The services of the Manager's graph."""
        plan = common.load(Path(file))[0] if metavar == "SERVICE" and file else None
        managers = [one.options for one in plan.handlers] if plan else []
        graphs = [one.graph for one in managers if isinstance(one, Options)]
        parsed = [graphfile.parse(one, Path(one).read_text("utf-8"))[0] for one in graphs]
        return [name for graph in parsed if graph for name in graph.services]

    def run(self, options: argparse.Namespace) -> int:
        """Ask or do; 1 if no answer comes, the answer is no, or an operation fails."""
        address = address_of(options.to)
        if not address:
            return common.BAD_CONFIGURATION
        run = next(one.run for one in WORDS if one.word == options.what)
        try:
            reach(address, options.timeout)
            with Client(address, limits=ClientLimits(linger=0.0)) as client:
                return run(ManagerClient(client, options.timeout), options)
        except TimeoutError as error:
            return common.fail(f"{error}; is there a route: mesh = h:SECTION ?")
        except (RefusedByManager, ValueError, ConnectionError) as error:
            return common.fail(str(error))
