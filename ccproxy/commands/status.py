"""The verb `status`: one screen, or JSON, of what a running server says of itself."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ccproxy.commands import common, numbers, parts
from ccproxy.commands.columns import cell, columns
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.unserved import unserved_spools
from ccproxy.core.ledger import FATES
from ccproxy.server.status import (
    DRAINING,
    HandlerStatus,
    LedgerStatus,
    LogStatus,
    PeerStatus,
    ProcessStatus,
    SinksStatus,
    Status,
    TypeStatus,
    from_json,
    to_json,
)

EXAMPLES = """\
examples:
  ccserver status conf/src.ini           is it running, are its links up, was anything dropped?
  ccserver status --json conf/src.ini    the same for programs
  ccserver status conf/src.ini peers     only a part: links, routes, types, handlers, listeners
  ccserver status /run/ccserver/x.sock   by its socket, wherever its configuration is
  ccserver status https://hub.example:9464 --token token       by its port, from another machine

The server is asked through its control socket (option control of [ccserver]), which answers its own
user and root; or through the port of its option http. Without the token, a port of this machine
shows no names. CCSERVER_TOKEN may have the token instead of a file.
exit status: 0 it answered, 1 no server answers, 78 the file names no socket and cannot be read"""

MOST = 1000
"""Peers or types that are shown if `--most` says nothing else."""
PARTS: dict[str, Callable[[Any], Iterator[str]]] = {
    "listeners": parts.listener_lines,
    "links": parts.link_lines,
    "peers": parts.peer_lines,
    "routes": parts.route_lines,
    "types": parts.type_lines,
    "handlers": parts.handler_lines,
}
"""What can be asked for alone, and how its items are shown."""
PAGES = {"peers": PeerStatus, "types": TypeStatus}
"""Parts that come by page, because there may be very many; the others are fields of a Status."""
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


class StatusVerb(ServerVerb):
    """`ccserver status`."""

    about = "show what a running server does, and what is wrong with it"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file, and the part that is wanted."""
        super().arguments(parser)
        parser.add_argument(
            "part", metavar="PART", nargs="?", choices=PARTS, help=f"only this: {', '.join(PARTS)}"
        )
        parser.add_argument(
            "--most", metavar="N", type=numbers.count, default=MOST,
            help=f"peers or types to show at most (default: {MOST})",
        )  # fmt: skip

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Print the screen, or one part of it."""
        part = options.part
        if part in PAGES:
            items = list(server.items(PAGES[part], part, options.most))
            show([to_json(one) for one in items], listed(part, items), options.json)
            return 0
        value = server.ask("GET", "/v1/status")
        status = from_json(Status, value)
        if part is None:
            show(value, screen(status), options.json)
        else:
            show(value[part], listed(part, getattr(status, part)), options.json)
        return 0


def listed(part: str, items: Sequence[Any]) -> Iterable[str]:
    """One part as text, also if it is empty."""
    return PARTS[part](items) if items else (f"no {part}",)


def show(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Print the text, or the value."""
    if as_json:
        print(json.dumps(value, indent=2))
        return
    for line in lines:
        print(line)


def screen(status: Status) -> Iterator[str]:
    """The status as text, section by section; sections that are empty are left out."""
    yield from process_lines(status.process)
    if status.draining:
        yield f"{DRAINING}; {common.several(status.sinks.waiting, 'message')} waiting"
    yield from log_lines(status.log)
    for title, lines in (
        ("listeners", parts.listener_lines(status.listeners)),
        ("links", parts.link_lines(status.links)),
        ("delivery with acknowledgements", parts.delivery_lines(status.links)),
        ("spools", parts.spool_lines(status.links)),
        ("spools of no section", unserved_spools(parts.spool_folders(status.links))),
        ("links that send here", parts.remembered_lines(status.remembered, "link")),
        ("clients with receipts", parts.client_lines(status)),
        ("waiting or dropped", sink_lines(status.sinks)),
        ("limits", limit_lines(status)),
        ("handlers", handler_lines(status.handlers)),
        ("messages", ledger_lines(status.ledger)),
        ("dropped on the way to a destination", loss_lines(status.sinks)),
    ):
        found = list(lines)
        if found:
            yield ""
            yield f"{title}:"
            yield from (f"  {line}" for line in found)


def process_lines(process: ProcessStatus) -> Iterator[str]:
    """Whose status it is, and for how long the server has been running."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.started))
    yield (
        f"{cell(process.name)}: running for {duration(process.time - process.started)}, "
        f"since {since}, process {process.pid} of user {process.user}"
    )
    yield (
        f"ccserver {cell(process.version)}, Python {cell(process.python)}, "
        f"data path {cell(process.data_path)}, {cell(process.file)}"
    )


def log_lines(log: LogStatus) -> Iterator[str]:
    """The levels of the log, if they are not those that the server was started with."""
    if log.changed:
        others = "".join(f", {cell(name)} {cell(one)}" for name, one in log.sections.items())
        yield f"log level {cell(log.level)}{others}, until the next reload"


def sink_lines(sinks: SinksStatus) -> Iterator[str]:
    """Sinks in which messages wait, or which have dropped some."""
    rows = [{"sink": one.name, **parts.sink_row(one)} for one in sinks.worst]
    yield from columns(("sink", "sent", "bytes", *parts.QUEUE, "dropped"), rows)
    if sinks.waiting or sinks.dropped:
        oldest = f", the oldest for {sinks.age:.1f} s" if sinks.waiting else ""
        dropped = f", dropped {facts(sinks.dropped)}" if sinks.dropped else ""
        waiting = f"waiting {sinks.waiting} ({sinks.bytes} bytes{oldest})"
        yield f"of all {sinks.count}: {waiting}{dropped}"


def limit_lines(status: Status) -> Iterator[str]:
    """What all peers and links share."""
    memory = status.memory
    if memory.limit:
        yield (
            f"memory: {memory.used} of {memory.limit} bytes used, {cell(memory.state)}; "
            f"{memory.held_back} connections held back, {memory.closed} closed"
        )
    found = status.descriptors
    if found.limit:
        yield (
            f"file descriptors: {found.used} of {found.limit} used, "
            f"{found.reserved} are not for peers"
        )


def handler_lines(handlers: tuple[HandlerStatus, ...]) -> Iterator[str]:
    """What handlers say of themselves, one a line; those that say nothing are left out."""
    for one in handlers:
        said = [f"its status failed: {cell(one.error)}" if one.error else facts(one.brief)]
        if one.counters:
            said.append(f"counted {facts(one.counters)}")
        if one.faults:
            said.append(f"calls that went wrong {facts(one.faults)}")
        if one.accepted:
            number = common.several(one.accepted, "accepted message")
            said.append(f"{number} without an outcome, the oldest for {one.accepted_age:.1f} s")
        if any(said):
            yield f"{cell(one.section)} ({cell(one.handler)}): {'; '.join(filter(None, said))}"


def ledger_lines(ledger: LedgerStatus) -> Iterator[str]:
    """Messages received, and how many came to which fate."""
    yield f"received {ledger.received} ({ledger.bytes} bytes)"
    rows = [
        {"fate": fate, "messages": ledger.fates[fate], "meaning": meaning}
        for fate, meaning in FATES.items()
        if ledger.fates.get(fate)
    ]
    yield from columns(("fate", "messages", "meaning"), rows)


def loss_lines(sinks: SinksStatus) -> Iterator[str]:
    """What each destination lost, also of messages that another destination has taken."""
    rows = [
        {"destination": where, "reason": reason, "messages": messages}
        for where, dropped in sinks.losses.items()
        for reason, messages in dropped.items()
    ]
    return columns(("destination", "reason", "messages"), rows)


def facts(values: Mapping[str, Any]) -> str:
    """Facts in one cell."""
    return " ".join(f"{cell(name)}={cell(value)}" for name, value in values.items())


def duration(seconds: float) -> str:
    """A time with its two largest units, such as `3 d 4 h`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
