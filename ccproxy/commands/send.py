"""The verb `send`: sends one message from the command line, and prints the replies."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from ccproxy.client import Answer, Client, ClientLimits
from ccproxy.commands import common
from ccproxy.verb import Verb
from ccproxy.wire import cc

EXAMPLES = """\
examples:
  ccserver send conf/src.ini echo.request '{"target": "me"}' --wait 1 --timeout 3
  ccserver send tcp://127.0.0.1:22632 log.info '{"log_level": "INFO", "log_time": 1700000000,
      "job_name": "me", "log_msg": "hello"}'
  ccserver send conf/src.ini pub.infofile - picture.png < fields.json

A reply is one line: its type, its JSON, and the size of its blob if there is one.
Without --wait no reply is awaited: exit status 0 says that the connection took the message."""

LINGER_ROUNDING = 0.01
"""In seconds: libzmq takes the time that it may go on sending in whole milliseconds."""


class SendVerb(Verb):
    """`ccserver send`."""

    about = "send one message and print the replies"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is sent, where it is sent, and how long to wait."""
        parser.add_argument(
            "to",
            metavar="ADDRESS|FILE",
            help="tcp://HOST:PORT, or the INI of a server on this host",
        )
        parser.add_argument("type", metavar="TYPE", help="message type, such as log.info")
        parser.add_argument(
            "body",
            metavar="JSON",
            nargs="?",
            default="{}",
            help="a JSON object; - = read stdin",
        )
        parser.add_argument(
            "blob", metavar="BLOB", nargs="?", type=Path, help="file to send as blob"
        )
        parser.add_argument(
            "--wait", metavar="N", type=int, default=0, help="print up to N replies (default: 0)"
        )
        parser.add_argument(
            "--timeout", metavar="S", type=float, default=5.0,
            help="seconds to wait for the connection and for each reply (default: 5)",
        )  # fmt: skip

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The types that have routes."""
        return common.route_prefixes(file) if metavar == "TYPE" else ()

    def run(self, options: argparse.Namespace) -> int:
        """Send; 1 if the message could not be sent or fewer replies came than were wanted."""
        address = address_of(options.to)
        if not address:
            return common.BAD_CONFIGURATION
        try:
            cc.frames((), options.type, ())
            value = body_of(options.body)
            blob = options.blob.read_bytes() if options.blob else None
        except (OSError, ValueError) as error:
            return common.fail(str(error), common.WRONG_USAGE)
        try:
            if options.wait > 0:
                return ask(address, options, value, blob)
            return publish(address, options, value, blob)
        except (ValueError, ConnectionError) as error:
            return common.fail(str(error))


def address_of(to: str) -> str:
    """The address to connect to; empty for a bad configuration, whose problems are printed."""
    if "://" in to:
        return to
    plan, problems = common.load(Path(to))
    common.print_problems(problems)
    if plan is None:
        return ""
    return common.reachable(plan.listeners[0].address)


def body_of(text: str) -> dict[str, Any]:
    """The JSON object of the command line or of stdin; ValueError if it is something else."""
    try:
        value = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError('the body must be a JSON object, such as {"log_msg": "hello"}')
    return value


def publish(
    address: str, args: argparse.Namespace, value: dict[str, Any], blob: bytes | None
) -> int:
    """Send without waiting for an answer; 1 if there was no connection to send it on."""
    client = Client(address, limits=ClientLimits(linger=args.timeout))
    client.publish(args.type, value, blob)
    began = time.monotonic()
    client.close()
    if time.monotonic() - began >= args.timeout - LINGER_ROUNDING:
        return common.fail(f"{address}: no connection within {args.timeout:g} s, nothing sent")
    return 0


def ask(address: str, args: argparse.Namespace, value: dict[str, Any], blob: bytes | None) -> int:
    """Send and print the replies; 1 if fewer come than were wanted."""
    came = 0
    with Client(address, limits=ClientLimits(linger=0.0)) as client:
        try:
            for answer in islice(client.stream(args.type, value, blob, args.timeout), args.wait):
                print(line_of(answer), flush=True)
                came += 1
        except TimeoutError as error:
            return common.fail(str(error))
    if came < args.wait:
        return common.fail(f"{came} of {args.wait} replies came, then none for {args.timeout:g} s")
    return 0


def line_of(answer: Answer) -> str:
    """A reply as one line."""
    blob = f" blob={len(answer.blob)}" if answer.blob is not None else ""
    return f"{answer.type} {json.dumps(answer.value)}{blob}"
