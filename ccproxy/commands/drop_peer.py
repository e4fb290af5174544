"""The verb `drop-peer`: closes the connections of a peer of a running server."""

from __future__ import annotations

import argparse

from ccproxy.commands import common
from ccproxy.commands.server_verb import AskedServer, ServerVerb, print_answer

EXAMPLES = """\
examples:
  ccserver drop-peer conf/src.ini 10.0.0.7:40012   one connection, as `status FILE peers` names it
  ccserver drop-peer conf/src.ini 10.0.0.7         all from this address
  ccserver drop-peer conf/src.ini sensor           all that have proven this name

What waits for the peer is dropped, and counted as gone. libzmq connects again at once: take its key
or its address out of the configuration, and reload, to keep it away.
exit status: 0 closed, 1 there is no such peer, or no server answers"""


class DropPeerVerb(ServerVerb):
    """`ccserver drop-peer`."""

    changes = True
    about = "close the connections of a peer of a running server"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the peer."""
        super().arguments(parser)
        parser.add_argument(
            "peer", metavar="PEER", help="its address with or without port, or its proven name"
        )

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Close, and say how many there were."""
        found = server.ask("POST", "/v1/drop-peer", {"peer": options.peer})
        text = f"closed {common.several(found['changed'], 'connection')}"
        print_answer(found, text, options.json)
        return 0
