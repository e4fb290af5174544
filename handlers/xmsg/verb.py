"""The verb `xmsg`: what a registrar knows, for an operator, and removing what should not be there.

It must never show a text of a client as it came: a terminal would obey it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ccproxy import Plan, Verb
from ccproxy.commands import common
from ccproxy.config.address import Address
from ccproxy.reach import reach
from ccproxy.wire.text import shortened
from ccproxy.zeromq import ZmqSocket, opened

from .actions import KINDS, REMOVE_ALL
from .actions import REGISTRATION as REMOVAL_SUFFIX
from .matching import UNDEFINED
from .messages import classes
from .topics import ANY, TopicParts, split

EXAMPLES = """\
examples:
  ccserver xmsg conf/clara.ini list
  ccserver xmsg tcp://10.1.1.10:7775 list --json
  ccserver xmsg conf/clara.ini find dpe:10.1.1.10_java
  ccserver xmsg conf/clara.ini find A:B --match filter --kind publisher
  ccserver xmsg conf/clara.ini remove --host 10.1.1.10
  ccserver xmsg conf/clara.ini remove --host 10.1.1.10 --topic A:B:C

find asks as actors do: publishers whose topic begins with TOPIC, subscribers whose topic TOPIC
begins with. Any registrar of xMsg answers, not only that of ccserver. Exit status 1: no answer, or
nothing to remove."""

_MESSAGE = classes("bytes")["Registration"]


class ShownRecord(NamedTuple):
    """One record, as it is shown."""

    kind: str
    topic: str
    name: str
    host: str
    port: int
    description: str


class XmsgVerb(Verb):
    """`ccserver xmsg`."""

    about = "show and change what a registrar of xMsg knows"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the registrar and what to do."""
        parser.add_argument(
            "of",
            metavar="FILE|ADDRESS",
            help="INI with a registrar on this host, or tcp://HOST:PORT",
        )
        parser.add_argument("what", choices=("list", "find", "remove"), help="what to do")
        parser.add_argument(
            "topic", metavar="TOPIC", nargs="?", help="find: domain[:subject[:type]]"
        )
        parser.add_argument(
            "--match", choices=("find", "filter", "exact"), default="find",
            help="find: how topics are compared; filter compares part by part, * for any "
            "(default: find)",
        )  # fmt: skip
        parser.add_argument(
            "--kind", choices=("publisher", "subscriber"), help="only records of this kind"
        )
        parser.add_argument("--host", help="find: only of this host; remove: the host, required")
        parser.add_argument("--topic", dest="own", help="remove: only records of this very topic")
        parser.add_argument("--name", help="remove: only records of this name")
        parser.add_argument("--json", action="store_true", help="print one JSON list")
        parser.add_argument(
            "--timeout", metavar="S", type=float, default=5.0,
            help="seconds to wait for an answer (default: 5)",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Ask, print, and perhaps remove."""
        if (options.what == "find") != (options.topic is not None):
            return common.fail("TOPIC is for find, which needs it", common.WRONG_USAGE)
        if options.what == "remove" and not options.host:
            return common.fail("remove needs --host", common.WRONG_USAGE)
        try:
            address = _address(options.of)
            if not address:
                return common.BAD_CONFIGURATION
            reach(address, options.timeout)
            with opened("req", address) as socket:
                registrar = RegistrarClient(socket, time.monotonic() + options.timeout)
                rows = list(DOING[options.what](registrar, options))
        except (ValueError, ConnectionError, TimeoutError) as error:
            return common.fail(str(error))
        _print(rows, options.json)
        if not rows and options.what != "find":
            print(_nothing(options), file=sys.stderr)
        return common.FAILED if options.what == "remove" and not rows else 0


class RegistrarClient:
    """The requests of one command, which have one deadline."""

    def __init__(self, socket: ZmqSocket, deadline: float) -> None:
        self._socket = socket
        self._deadline = deadline

    def ask(self, action: str, data: bytes = b"") -> list[Any]:
        """The records of an answer; ValueError if it is an error, TimeoutError if none comes."""
        self._socket.send_multipart([action.encode(), b"ccserver", data])
        if not self._socket.poll(max(0, int(1000 * (self._deadline - time.monotonic())))):
            raise TimeoutError(f"no answer to {action}")
        _, _, status, *records = self._socket.recv_multipart()
        if status != b"success":
            raise ValueError(f"{action}: {shortened(status.decode('utf-8', 'replace'))}")
        return [_MESSAGE.FromString(one) for one in records]


def listed(registrar: RegistrarClient, options: argparse.Namespace) -> Iterator[ShownRecord]:
    """All records."""
    for kind in _kinds(options):
        yield from _rows(kind, registrar.ask(f"all{kind}"))


def found(registrar: RegistrarClient, options: argparse.Namespace) -> Iterator[ShownRecord]:
    """The records that a query finds."""
    parts = split(options.topic.encode())
    asked = _message(parts, options.host)
    for kind in _kinds(options):
        records = registrar.ask(f"{options.match}{kind}", asked.SerializeToString())
        yield from (row for row in _rows(kind, records) if options.host in (None, row.host))


def removed(registrar: RegistrarClient, options: argparse.Namespace) -> Iterator[ShownRecord]:
    """The records that are removed; each request removes one name of one topic, or all of a
    host."""
    rows = []
    for kind in _kinds(options):
        for record, row in _records(kind, registrar.ask(f"all{kind}")):
            own = options.own in (None, row.topic) and options.name in (None, row.name)
            if row.host == options.host and own:
                rows.append((record, row))
    if options.own is options.name is options.kind is None and rows:
        registrar.ask(f"{REMOVE_ALL}{REMOVAL_SUFFIX}", options.host.encode())
    else:
        for record, row in rows:
            registrar.ask(f"remove{row.kind}{REMOVAL_SUFFIX}", record.SerializeToString())
    return iter([row for _, row in rows])


DOING = {"list": listed, "find": found, "remove": removed}


def _kinds(options: argparse.Namespace) -> Sequence[str]:
    return KINDS if options.kind is None else (options.kind.capitalize(),)


def _message(parts: TopicParts, host: str | None) -> Any:
    wanted = UNDEFINED if host is None else host.encode()
    return _MESSAGE(
        name=UNDEFINED, host=wanted, port=0, domain=parts.domain, subject=parts.subject,
        type=parts.type,
    )  # fmt: skip


def _records(kind: str, records: Sequence[Any]) -> Iterator[tuple[Any, ShownRecord]]:
    for one in records:
        parts = [one.domain, one.subject, one.type]
        while len(parts) > 1 and parts[-1] == ANY:
            parts.pop()
        texts = (b":".join(parts), one.name, one.host, one.description)
        topic, name, host, description = (text.decode("utf-8", "replace") for text in texts)
        yield one, ShownRecord(kind, topic, name, host, one.port, description)


def _rows(kind: str, records: Sequence[Any]) -> Iterator[ShownRecord]:
    return (row for _, row in _records(kind, records))


def _print(rows: Sequence[ShownRecord], as_json: bool) -> None:
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=2))
        return
    for row in sorted(rows):
        texts = [shortened(text) for text in (row.topic, row.name, row.host)]
        note = "" if row.description in ("", "undefined") else f"  {shortened(row.description)}"
        print(f"{row.kind.lower():<10}  {texts[0]}  {texts[1]}  {texts[2]}:{row.port}{note}")


def _nothing(options: argparse.Namespace) -> str:
    """What is said for an operator if no record is there to list or to remove."""
    wanted = {
        "kind": options.kind, "host": options.host, "topic": options.own, "name": options.name,
    }  # fmt: skip
    if options.what == "list":
        wanted = {"kind": options.kind}
    given = " and ".join(f"{name} {shortened(one)}" for name, one in wanted.items() if one)
    return f"no record has {given}" if given else "there are no records"


def _address(of: str) -> str:
    """The address of a registrar; "" for a bad configuration, ValueError if it has none."""
    if "://" in of:
        return of
    plan, problems = common.load(Path(of))
    common.print_problems(one for one in problems if plan is None or not one.warning)
    return "" if plan is None else _configured(plan)


def _configured(plan: Plan) -> str:
    """Where the registrar of a configuration listens."""
    for one in plan.handlers:
        if hasattr(one.options, "limits_of_records"):
            return common.reachable(str(Address.parse(one.options.address)))
    raise ValueError(f"{plan.file}: no section has handler = xmsg-registrar")
