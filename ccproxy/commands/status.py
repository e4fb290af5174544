"""The verb `status`: one screen, or JSON, of what a running server says of itself."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ccproxy.commands import common
from ccproxy.commands.columns import cell, columns
from ccproxy.commands.control import ControlPlaces, control_places
from ccproxy.core.ledger import FATES
from ccproxy.server.control_client import ControlReply, NoServer, request
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    ProcessStatus,
    SinksStatus,
    SinkStatus,
    Status,
    from_json,
)
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver status conf/src.ini           is it running, are its links up, was anything dropped?
  ccserver status --json conf/src.ini    the same for programs
  ccserver status /run/ccserver/x.sock   by its socket, wherever its configuration is

The server is asked through its control socket (option control of [ccserver]); it answers its own
user and root. More is there for curl --unix-socket SOCKET http://localhost/v1/status/PART, with the
parts peers, flows and types.
exit status: 0 it answered, 1 no server answers, 78 the file names no socket and cannot be read"""

TIMEOUT = 10.0
"""Seconds the server has to answer."""
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


class StatusVerb(Verb):
    """`ccserver status`."""

    about = "show what a running server does, and what is wrong with it"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="the server's INI file, or its control socket"
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of text")

    def run(self, options: argparse.Namespace) -> int:
        """Ask and print; the exit status is returned."""
        places = control_places(options.file, {})
        if places.fault is not None:
            common.print_problems([places.fault])
            return common.BAD_CONFIGURATION
        if not places.paths:
            return common.fail(f"{options.file} says control = no: its server cannot be asked")
        try:
            reply = request("GET", "/v1/status", places.paths, TIMEOUT)
            return shown(reply, options.json)
        except NoServer as error:
            return unanswered(places, error)
        except ValueError as error:
            return common.fail(f"{reply.path}: {error}")


def shown(reply: ControlReply, as_json: bool) -> int:
    """Print what the server answered; ValueError if that is no status."""
    if reply.code != 200:
        return common.fail(reply.error)
    status = from_json(Status, reply.value)
    print(json.dumps(reply.value, indent=2) if as_json else "\n".join(screen(status)))
    return 0


def unanswered(places: ControlPlaces, error: NoServer) -> int:
    """Say that no server answers; a file that cannot be read may be the reason."""
    common.print_problems(places.problems)
    return common.fail(str(error), common.BAD_CONFIGURATION if places.problems else common.FAILED)


def screen(status: Status) -> Iterator[str]:
    """The status as text, section by section; sections that are empty are left out."""
    yield from process_lines(status.process)
    for title, lines in (
        ("listeners", listener_lines(status.listeners)),
        ("links", link_lines(status.links)),
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


def listener_lines(listeners: tuple[ListenerStatus, ...]) -> Iterator[str]:
    """Listeners, with what they have counted besides their peers."""
    rows = [
        {
            "section": one.section, "protocol": one.protocol, "address": one.address,
            "security": one.security, "peers": one.peers, "silent": one.silent, "calls": one.calls,
            "counts": dict(one.counts),
        }
        for one in listeners
    ]  # fmt: skip
    names = (
        "section", "protocol", "address", "security", "peers", "silent", "calls", "counts",
    )  # fmt: skip
    return columns(names, rows)


def link_lines(links: tuple[LinkStatus, ...]) -> Iterator[str]:
    """Links, with their state and the reason for it."""
    rows = [
        {
            "section": one.section, "address": one.address, "state": one.state,
            **sink_row(one.sink), "reconnects": one.reconnects, "reason": one.reason,
        }
        for one in links
    ]  # fmt: skip
    names = ("section", "address", "state", "sent", "waiting", "dropped", "reconnects", "reason")
    return columns(names, rows)


def sink_lines(sinks: SinksStatus) -> Iterator[str]:
    """Sinks in which messages wait, or which have dropped some."""
    rows = [{"sink": one.name, **sink_row(one)} for one in sinks.worst]
    yield from columns(("sink", "sent", "waiting", "bytes", "dropped"), rows)
    if sinks.waiting or sinks.dropped:
        dropped = f", dropped {facts(sinks.dropped)}" if sinks.dropped else ""
        yield f"of all {sinks.count}: waiting {sinks.waiting} ({sinks.bytes} bytes){dropped}"


def sink_row(sink: SinkStatus) -> dict[str, Any]:
    """The counts of one sink."""
    return {
        "sent": sink.sent, "waiting": sink.waiting, "bytes": sink.bytes,
        "dropped": dict(sink.dropped),
    }  # fmt: skip


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
        said = [f"its status failed: {cell(one.error)}" if one.error else facts(one.facts)]
        if one.counters:
            said.append(f"counted {facts(one.counters)}")
        if one.faults:
            said.append(f"calls that went wrong {facts(one.faults)}")
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
