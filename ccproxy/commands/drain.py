"""The verb `drain`: a running server takes no more, delivers what it has, and stops."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import suppress

from ccproxy.commands import common
from ccproxy.commands.server_verb import AskedServer, ServerVerb, print_answer
from ccproxy.server.control_client import NoServer

EXAMPLES = """\
examples:
  ccserver drain conf/src.ini           returns when nothing waits any more and the server stops
  ccserver drain --cancel conf/src.ini  let it accept again, if it has not stopped yet

The server stops accepting, reads what peers have sent to its end (for at most `linger`), and stops
when its queues are empty and all calls are answered: links that are down are waited for. It goes on
with it when this command is ended; `ccserver run -k FILE` stops it at once.
With --json it prints what waits, a line for each number: {"waiting": 3}.
A drain closes the addresses of handlers, too; the peers that are connected there stay to the end.
--cancel opens the same addresses again, with the same ports; connections of listeners from before
the drain end, and libzmq connects anew. If one cannot be had any more, the drain goes on.
exit status: 0 all is delivered, or --cancel was obeyed; 1 no server answers, it ended with messages
that waited, or its drain was cancelled meanwhile"""


class DrainVerb(ServerVerb):
    """`ccserver drain`."""

    changes = True
    about = "let a running server take no more, deliver what it has, and stop"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the server, and the way back."""
        super().arguments(parser)
        parser.add_argument(
            "--cancel", action="store_true", help="end the drain that is under way: accept again"
        )

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Tell it, and say what waits until nothing does."""
        if options.cancel:
            answer = server.ask("POST", "/v1/drain/cancel")
            print_answer(answer, "the drain is cancelled, the server accepts again", options.json)
            return 0
        waiting = None
        with suppress(KeyboardInterrupt):
            try:
                with server.stream("POST", "/v1/drain") as values:
                    for value in values:
                        if value.get("cancelled"):
                            return common.fail("the drain was cancelled, the server goes on")
                        if value["waiting"] != waiting:
                            waiting = value["waiting"]
                            say(value, options.json)
            except NoServer:
                if waiting is None:
                    raise
        if waiting:
            return common.fail(f"{waiting} messages and calls waited at last")
        if not options.json:
            print("all is delivered, the server stops")
        return 0


def say(value: Mapping[str, int], as_json: bool) -> None:
    """What waits still."""
    text = f"ccserver: {value['waiting']} messages and calls wait"
    print(json.dumps(value) if as_json else text, file=sys.stdout if as_json else sys.stderr)
