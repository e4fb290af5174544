"""The verb `listen`: prints the messages that come to a ZeroMQ socket of its own."""

from __future__ import annotations

import argparse
from contextlib import suppress

from ccproxy import zeromq
from ccproxy.commands import common, frames, proof
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver listen tcp://127.0.0.1:5556 --topic weather       as a SUB: topics that begin so
  ccserver listen conf/hub.ini                               the publishing socket of that file
  ccserver listen tcp://127.0.0.1:5558 --socket pull         as one more worker: it takes jobs!
  ccserver listen tcp://127.0.0.1:5555 --socket xpub         as a publisher: the subscriptions
  ccserver listen 'tcp://*:5560' --socket router --bind      what a DEALER, REQ or link sends

A message is one line: its frames with | between them, escaped and cut; "" is an empty frame. With
--json it is whole: {"frames": [...], "encoding": "utf-8"}, or "base64" if a frame is no UTF-8.
It goes on until ^C.
exit status: 0 ^C or --limit, 1 none came for --timeout, 2 wrong usage, 78 bad configuration"""

SOCKETS = ("sub", "pull", "router", "xpub")


class ListenVerb(Verb):
    """`ccserver listen`."""

    about = "print the messages that come to a ZeroMQ socket"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the socket, what it wants, and when it ends."""
        parser.add_argument(
            "to", metavar="ADDRESS|FILE", help="tcp://HOST:PORT or ipc://PATH, or the INI of a"
            " server on this host that has one address for such a socket",
        )  # fmt: skip
        parser.add_argument(
            "--socket", choices=SOCKETS, default="sub", help="which socket this is (default: sub)"
        )
        parser.add_argument(
            "--topic", metavar="PREFIX", action="append", default=[],
            help="what a sub subscribes to (default: everything); may be repeated",
        )  # fmt: skip
        proof.arguments(parser)
        parser.add_argument("--bind", action="store_true", help="listen there, connect to nothing")
        parser.add_argument(
            "--limit", metavar="N", type=int, default=0, help="end after N messages"
        )
        parser.add_argument(
            "--timeout", metavar="S", type=float, help="end when no message comes for S seconds"
        )
        parser.add_argument("--json", action="store_true", help="print whole messages as JSON")

    def run(self, options: argparse.Namespace) -> int:
        """Print until the end; 1 if messages stay away."""
        if options.topic and options.socket != "sub":
            return common.fail("--topic is for --socket sub", common.WRONG_USAGE)
        if options.bind and proof.wanted(options):
            what = "with --bind there is no far side to prove anything to: leave out the keys"
            return common.fail(what, common.WRONG_USAGE)
        try:
            address = frames.address_for(options.socket, options.to)
            if not address:
                return common.BAD_CONFIGURATION
            prepare = proof.preparation(options)
            with zeromq.opened(options.socket, address, options.bind, prepare) as socket:
                return listen(socket, options)
        except ValueError as error:
            return common.fail(str(error))


def listen(socket: zeromq.ZmqSocket, options: argparse.Namespace) -> int:
    """Print each message; the exit status."""
    if options.socket == "sub":
        for topic in options.topic or [""]:
            socket.subscribe(topic.encode("utf-8", "surrogateescape"))
    text_of = frames.json_of if options.json else frames.line_of
    came = 0
    with suppress(KeyboardInterrupt):
        for message in zeromq.received(socket, options.timeout):
            print(text_of(message), flush=True)
            came += 1
            if came == options.limit:
                return 0
        return common.fail(f"{came} messages came, then none for {options.timeout:g} s")
    return 0
