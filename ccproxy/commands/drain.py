"""The verb `drain`: a running server takes no more, delivers what it has, and stops."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from ccproxy.commands import common
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.server.control_client import NoServer

EXAMPLES = """\
examples:
  ccserver drain conf/src.ini        returns when nothing waits any more and the server stops

The server stops accepting, reads what peers have sent to its end (for at most `linger`), and stops
when its queues are empty and all calls are answered: links that are down are waited for. It goes on
with it when this command is ended; `ccserver run -k FILE` stops it at once.
exit status: 0 all is delivered, 1 no server answers, or it ended with messages that waited"""


class DrainVerb(ServerVerb):
    """`ccserver drain`."""

    about = "let a running server take no more, deliver what it has, and stop"
    examples = EXAMPLES

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Tell it, and say what waits until nothing does."""
        waiting = None
        with suppress(KeyboardInterrupt):
            try:
                with server.stream("POST", "/v1/drain") as values:
                    for value in values:
                        if value["waiting"] != waiting:
                            waiting = value["waiting"]
                            print(f"ccserver: {waiting} messages and calls wait", file=sys.stderr)
            except NoServer:
                if waiting is None:
                    raise
        if waiting:
            return common.fail(f"{waiting} messages and calls waited at last")
        print("all is delivered, the server stops")
        return 0
