"""The verb `tap`: prints messages as they pass through a running server, and changes nothing."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ccproxy.commands import common, numbers
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.config.problems import did_you_mean
from ccproxy.server.status import Status
from ccproxy.wire.text import shortened

EXAMPLES = """\
examples:
  ccserver tap conf/src.ini log                     types log, log.info, ..., as a route log = has
  ccserver tap conf/src.ini '*' --from 10.0.0.7     whatever comes from there
  ccserver tap conf/src.ini job --to h:far --body   with the frames of each message
  ccserver tap --limit 100 --json conf/hub.ini bus  a hundred messages, for programs

A line is: time, type, from listener and peer, where it goes to or what becomes of it, its bytes;
with --body its frames with | between them, escaped and cut. The server never waits for the tap:
messages for which it has no room pass unseen, and how many is said. It goes on until ^C.
Replies over a link are seen as well, from its section to that of the listener; answers of handlers
of this server are not.
exit status: 0 ^C or --limit, 1 no server answers or it ends, 78 the file cannot be read"""


class TapVerb(ServerVerb):
    """`ccserver tap`."""

    about = "print messages as they pass through a running server"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the server, and which messages are wanted."""
        super().arguments(parser)
        parser.add_argument(
            "prefix", metavar="TYPE", type=prefix, help="prefix of types as in routes, or *"
        )
        parser.add_argument(
            "--from", dest="peer", metavar="PEER", default="",
            help="only from this peer: its listener, address with or without port, or proven name",
        )  # fmt: skip
        parser.add_argument(
            "--to", metavar="SECTION", default="", help="only what goes to this section"
        )
        parser.add_argument("--limit", metavar="N", type=numbers.count, help="end after N messages")
        parser.add_argument("--body", action="store_true", help="print the frames as well")

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """Prefixes of the routes."""
        return common.route_prefixes(file) if metavar == "TYPE" else ()

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Print until the end."""
        if options.to:
            check_section(options.to, server.status())
        wanted = {
            "prefix": options.prefix, "from": options.peer, "to": options.to,
            "body": int(options.body),
        }  # fmt: skip
        text_of = json.dumps if options.json else text
        with suppress(KeyboardInterrupt), server.stream("GET", "/v1/tap", wanted) as values:
            for value in limited(values, options.limit):
                print(text_of(value), flush=True)
        return 0


def prefix(text: str) -> str:
    """The argument TYPE: `*` stands alone, as in routes."""
    if text != "*" and "*" in text:
        meant = text.removesuffix("*").rstrip(".")
        hint = f", write {meant}" if meant and "*" not in meant else ""
        what = f"found {text!r:.40}; this is a prefix: it stands for all types under it{hint}"
        raise argparse.ArgumentTypeError(what)
    return text


def check_section(name: str, status: Status) -> None:
    """ValueError if no section of the server can be a destination of this name."""
    known = {one.section for one in status.handlers} | {one.section for one in status.links}
    known |= {one.section for one in status.listeners}
    known |= {section for one in status.routes for section in one.sections}
    if name not in known:
        hint = did_you_mean(name, sorted(known)) or f"sections are {', '.join(sorted(known))}"
        raise ValueError(f"--to {name}: there is no such section; {hint}")


def limited(values: Iterator[Any], most: int | None) -> Iterator[Mapping[str, Any]]:
    """All values but empty lines, up to the one behind which `most` messages have come."""
    came = 0
    for value in values:
        if value is None:
            continue
        yield value
        came += "missed" not in value
        if came == most:
            return


def text(value: Mapping[str, Any]) -> str:
    """A message, or how many were missed, in one line; texts of strangers are escaped."""
    if "missed" in value:
        return f"(missed {value['missed']}: too many to show)"
    when = time.strftime("%H:%M:%S", time.localtime(value["time"]))
    millis = int(value["time"] * 1000) % 1000
    to = ", ".join(dict.fromkeys(value["to"])) or value["fate"]
    sender = f"{value['listener']} {value['peer']}".strip()
    parts = [
        f"{when}.{millis:03} {shortened(value['type'])} from {shortened(sender)} "
        f"to {shortened(to)} {value['bytes']} bytes"
    ]
    if "frames" in value:
        frames = [shortened(one) or '""' for one in value["frames"]]
        parts.append(" | ".join(frames) + ("" if value["whole"] else " ..."))
    return ": ".join(parts)
