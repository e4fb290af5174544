"""The verb `graph`: where messages go in a running server, with rates, or in a configuration."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from ccproxy.commands import common, numbers
from ccproxy.commands.control import ControlPlaces
from ccproxy.commands.drawing import FORMATS
from ccproxy.commands.explanation import links_of
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.topology import Topology, TrafficLook, of_looks, of_plan
from ccproxy.server.control_client import NoServer
from ccproxy.server.status import TypeStatus

EXAMPLES = """\
examples:
  ccserver graph conf/src.ini                                   as an indented list
  ccserver graph conf/src.ini --format dot | dot -Tsvg >src.svg
  ccserver graph conf/src.ini --format mermaid --seconds 10     rates of ten seconds

Rates are messages per second between two looks, of the 1,000 types with the most messages. What
drops or is not up is red, and marked by ! in the list. If no server answers, the graph is that of
the configuration, without rates.
exit status: 0 done, 1 it cannot be asked, 78 no server answers and the file has mistakes"""

TYPES = 1000


class GraphVerb(ServerVerb):
    """`ccserver graph`."""

    about = "show where messages go in a running server, with rates: text, DOT or Mermaid"
    examples = EXAMPLES
    _options: argparse.Namespace

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the server and the form."""
        super().arguments(parser)
        parser.add_argument(
            "--format", choices=FORMATS, default="text", help="text (default), dot or mermaid"
        )
        parser.add_argument(
            "--seconds", metavar="S", type=numbers.seconds, default=1.0,
            help="time between the two looks (default: 1)",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Draw the running server, or else its configuration."""
        self._options = options
        return super().run(options)

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Look twice, and draw."""
        before = look(server)
        time.sleep(options.seconds)
        return draw(of_looks(before, look(server)), options)

    def unanswered(self, places: ControlPlaces, error: NoServer) -> int:
        """Draw the configuration."""
        file = self._options.file
        if not isinstance(file, Path) or file.is_socket():
            return super().unanswered(places, error)
        plan, problems = common.load(file)
        common.print_problems(problems)
        if plan is None:
            return self.failed(str(error), common.BAD_CONFIGURATION)
        print(f"ccserver: no server answers: this is {file}", file=sys.stderr)
        return draw(of_plan(plan, asyncio.run(links_of(plan))), self._options)


def look(server: AskedServer) -> TrafficLook:
    """The status, and the types with the most messages."""
    types = {one.type: one for one in server.items(TypeStatus, "types", TYPES)}
    return TrafficLook(server.status(), types)


def draw(found: Topology, options: argparse.Namespace) -> int:
    """Print the graph; the exit status."""
    if options.json:
        nodes = list(map(asdict, found.nodes.values()))
        print(json.dumps({"nodes": nodes, "edges": list(map(asdict, found.edges))}))
        return 0
    for line in FORMATS[options.format](found):
        print(line)
    return 0
