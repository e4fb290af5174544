"""The verb `send`: sends one message from the command line, and prints the replies.

It is a message of CC to a `cc-socket`, or with `--socket` any frames to a ZeroMQ socket.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from ccproxy import zeromq
from ccproxy.client import Answer, Client, ClientLimits, NotConfirmed
from ccproxy.commands import common, frames, proof
from ccproxy.reach import reach
from ccproxy.verb import Verb
from ccproxy.wire import cc

EXAMPLES = """\
examples:
  ccserver send conf/src.ini echo.request '{"target": "me"}' --wait 1 --timeout 3
  ccserver send tcp://127.0.0.1:22632 log.info '{"log_level": "INFO", "log_time": 1700000000,
      "job_name": "me", "log_msg": "hello"}'
  ccserver send conf/src.ini pub.infofile - picture.png < fields.json
  ccserver send --confirm conf/src.ini order.new '{"id": 17}'
  ccserver send --curve-server server.key --confirm tcp://127.0.0.1:22632 order.new '{"id": 17}'
  ccserver send --socket pub tcp://127.0.0.1:5555 weather.oslo 'snow, -3 C'
  ccserver send --socket push tcp://127.0.0.1:5557 job '' 17
  ccserver send --socket req tcp://127.0.0.1:5559 'what time is it?'

With --socket the words are the frames of one message ('' = an empty frame, - = read stdin). A pub
waits for a subscriber of its topic, the others for a connection; a req prints the answer, its
frames with | between them. A dealer puts no empty frame in front: give it where REP answers.
A reply of the first kind is one line: its type, its JSON, and the size of its blob if there is one.
Without --wait no reply is awaited: exit status 0 says that the connection took the message. With
--confirm it says that the server is responsible for the message, and one word says how: `safe` in
all its destinations that can confirm, or `handed` over to others."""

USAGE = """\
ccserver send [--wait N | --confirm] [--timeout S] ADDRESS|FILE TYPE [JSON] [BLOB]
       ccserver send --socket SOCKET [--wait N] [--timeout S] ADDRESS|FILE FRAME ..."""

SOCKETS = ("pub", "push", "req", "dealer")
ANSWERED = ("req", "dealer")

WITH_KEYS = "send with --curve-server or --plain"
"""How a message gets to a listener that asks its peers for a proof."""
WITHOUT_KEYS = f"takes no peer without a key or a password; {WITH_KEYS}"
WRONG_KEYS = "the log of its server says whether it refused the key or the password"
KEYS_HINT = f"if it asks for a key or a password, {WITH_KEYS}"


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
        parser.usage = USAGE
        parser.add_argument("type", metavar="TYPE", help="message type, such as log.info")
        parser.add_argument(
            "body", metavar="JSON", nargs="?", help="a JSON object (default: {}); - = read stdin"
        )
        parser.add_argument("blob", metavar="BLOB", nargs="?", help="file to send as blob")
        parser.add_argument(
            "more", metavar="FRAME", nargs="*", help="with --socket: each word is a frame"
        )
        parser.add_argument(
            "--socket", choices=SOCKETS, help="send the words as frames, from such a socket"
        )
        proof.arguments(parser)
        parser.add_argument(
            "--wait", metavar="N", type=int,
            help="print up to N replies (default: 0; with --socket req or dealer: 1)",
        )  # fmt: skip
        parser.add_argument(
            "--confirm", action="store_true",
            help="wait until the server is responsible for the message; 1 if it refuses it",
        )  # fmt: skip
        parser.add_argument(
            "--timeout", metavar="S", type=float, default=5.0,
            help="seconds to wait for the connection and for each reply (default: 5)",
        )  # fmt: skip

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The types that have routes."""
        return common.route_prefixes(file) if metavar == "TYPE" else ()

    def run(self, options: argparse.Namespace) -> int:
        """Send; 1 if the message could not be sent or fewer replies came than were wanted."""
        if options.confirm and (options.wait or options.socket):
            what = "--confirm goes with neither --wait nor --socket"
            return common.fail(what, common.WRONG_USAGE)
        try:
            if options.socket:
                return send_frames(options)
            return send_message(options)
        except ConnectionError as error:
            return common.fail(str(error))


def send_message(options: argparse.Namespace) -> int:
    """Send a message of CC; the exit status."""
    if options.more:
        return common.fail("frames are for --socket", common.WRONG_USAGE)
    try:
        proof.keys_of(options)
        address = address_of(options.to, proven=proof.wanted(options))
        if not address:
            return common.BAD_CONFIGURATION
        cc.frames((), options.type, ())
        value = body_of(options.body or "{}")
        blob = Path(options.blob).read_bytes() if options.blob else None
    except (OSError, ValueError) as error:
        return common.fail(str(error), common.WRONG_USAGE)
    try:
        reach(address, options.timeout)
        if options.confirm:
            return confirm(address, options, value, blob)
        if options.wait:
            return ask(address, options, value, blob)
        return publish(address, options, value, blob)
    except ValueError as error:
        return common.fail(str(error))


def send_frames(options: argparse.Namespace) -> int:
    """Send the words as the frames of one message; the exit status."""
    answers = options.wait
    if answers is None:
        answers = int(options.socket in ANSWERED)
    if answers and options.socket not in ANSWERED:
        what = f"nothing comes back to a {options.socket}, so --wait has no meaning"
        return common.fail(what, common.WRONG_USAGE)
    try:
        address = frames.address_for(options.socket, options.to)
        if not address:
            return common.BAD_CONFIGURATION
        words = (options.type, options.body, options.blob, *options.more)
        message = [frame_of(word) for word in words if word is not None]
        prepare = proof.preparation(options)
        reach(address, options.timeout)
        kind = "xpub" if options.socket == "pub" else options.socket
        with zeromq.opened(kind, address, prepare=prepare) as socket:
            deadline = time.monotonic() + options.timeout
            zeromq.send(socket, message, deadline)
            return print_answers(socket, answers, options.timeout)
    except TimeoutError as error:
        return common.fail(f"{options.to}: {error}; {hint_of(options)}")
    except ValueError as error:
        return common.fail(f"{options.to}: {error}")


def frame_of(word: str) -> bytes:
    """A frame of the command line; `-` is all of stdin."""
    return sys.stdin.buffer.read() if word == "-" else os.fsencode(word)


def print_answers(socket: zeromq.ZmqSocket, most: int, timeout: float) -> int:
    """Print up to this many messages that come to a socket; 1 if fewer come."""
    for number in range(most):
        if not socket.poll(int(1000 * timeout)):
            return common.fail(f"{number} of {most} replies came, then none for {timeout:g} s")
        print(frames.line_of(socket.recv_multipart()), flush=True)
    return 0


def address_of(to: str, proven: bool = False) -> str:
    """The address to connect to; empty for a bad configuration, whose problems are printed.

    ValueError if the configuration has no such address, or none that takes peers without a proof.
    """
    if "://" in to:
        return to
    plan, problems = common.load(Path(to))
    common.print_problems(one for one in problems if plan is None or not one.warning)
    if plan is None:
        return ""
    found = [one for one in plan.listeners if one.protocol == "cc" and one.address]
    for one in found:
        if proven == proof.asked_by(one):
            return common.reachable(one.address)
    if found:
        address = common.reachable(found[0].address)
        asks = "does not ask for a key or a password" if proven else WITHOUT_KEYS
        raise ValueError(f"{address} {asks}")
    raise ValueError(f"{to} has no address for messages of CC; --socket is for those of ZeroMQ")


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
    codec = cc.CcCodec(platform.node(), time.time)
    message = cc.frames((), args.type, codec.encode(args.type, value, blob))
    try:
        with zeromq.opened("dealer", address, prepare=proof.preparation(args)) as socket:
            zeromq.send(socket, message, time.monotonic() + args.timeout)
    except TimeoutError as error:
        return common.fail(f"{address}: {error}; {hint_of(args)}")
    return 0


def confirm(
    address: str, args: argparse.Namespace, value: dict[str, Any], blob: bytes | None
) -> int:
    """Send and print of which kind the receipt is; 1 if there is none."""
    client = client_to(address, args)
    try:
        with client:
            receipt = client.publish(args.type, value, blob, confirm=True, timeout=args.timeout)
    except NotConfirmed as error:
        return common.fail(str(error))
    print(receipt.kind)
    return 0


def ask(address: str, args: argparse.Namespace, value: dict[str, Any], blob: bytes | None) -> int:
    """Send and print the replies; 1 if fewer come than were wanted."""
    came = 0
    with client_to(address, args) as client:
        try:
            for answer in islice(client.stream(args.type, value, blob, args.timeout), args.wait):
                print(line_of(answer), flush=True)
                came += 1
        except TimeoutError as error:
            return common.fail(f"{error}; {hint_of(args)}")
    if came < args.wait:
        what = f"{came} of {args.wait} replies came, then none for {args.timeout:g} s"
        return common.fail(what)
    return 0


def client_to(address: str, args: argparse.Namespace) -> Client:
    """A client with the proof that the options name."""
    return Client(address, limits=ClientLimits(linger=0.0), **asdict(proof.keys_of(args)))


def hint_of(args: argparse.Namespace) -> str:
    """Where to look if there is no connection."""
    return WRONG_KEYS if proof.wanted(args) else KEYS_HINT


def line_of(answer: Answer) -> str:
    """A reply as one line."""
    blob = f" blob={len(answer.blob)}" if answer.blob is not None else ""
    return f"{answer.type} {json.dumps(answer.value)}{blob}"
