"""The verb `top`: what a running server does now, again and again: rates, links, queues, types."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from typing import Any

from ccproxy.commands import numbers
from ccproxy.commands.columns import columns
from ccproxy.commands.parts import QUEUE, sink_row
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.status import process_lines
from ccproxy.core.ledger import FATES
from ccproxy.server.delivery_values import DeliveryStatus
from ccproxy.server.status import Status, TypeStatus

EXAMPLES = """\
examples:
  ccserver top conf/src.ini                  what goes on, each second, until ^C
  ccserver top conf/src.ini --seconds 5      each five seconds
  ccserver top conf/src.ini --times 1        once, for a file or a mail
  ccserver top conf/src.ini --json           a line of JSON for each look, for programs

Of links with acknowledgements it shows what the far side has not acknowledged, what waits in their
spools (bytes), and which are in doubt, see docs/delivery.md.
Rates are per second since the last look; the types with the most messages since then come first.
With the package rich (pip install 'ccserver[tui]') the screen is drawn without flicker.
exit status: 0 ^C or --times, 1 no server answers or it ends"""

TYPES = 15
"""Message types that are shown."""
ASKED_TYPES = 200
"""Types with the most messages at all, among which those with the highest rates are looked for."""
IN_DOUBT = "in-doubt"
"""The state of a link that has found another server at the address of its far side."""
CLEAR = "\x1b[H\x1b[2J"
Draw = Callable[[Sequence[str]], None]


class TopVerb(ServerVerb):
    """`ccserver top`."""

    about = "show again and again what a running server does"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the times."""
        super().arguments(parser)
        parser.add_argument(
            "--seconds", metavar="S", type=numbers.seconds, default=1.0,
            help="time between two looks (default: 1)",
        )  # fmt: skip
        parser.add_argument("--times", metavar="N", type=numbers.count, help="end after N screens")

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Draw until the end."""
        with suppress(KeyboardInterrupt), drawing(options.json) as draw:
            before = look(server)
            for number in count(1):
                time.sleep(options.seconds)
                after = look(server)
                draw([json_line(before, after)] if options.json else list(screen(before, after)))
                if number == options.times:
                    break
                before = after
        return 0


Look = tuple[Status, dict[str, TypeStatus]]


def look(server: AskedServer) -> Look:
    """The status, and the types with the most messages."""
    status = server.status()
    types = server.items(TypeStatus, "types", ASKED_TYPES)
    return status, {one.type: one for one in types}


def drawing(plain: bool = False) -> AbstractContextManager[Draw]:
    """How screens are drawn: by rich if it is there, else by clearing the terminal; `plain` text
    goes line by line."""
    if plain or not sys.stdout.isatty():
        return _printed("")
    try:
        from rich.live import Live
        from rich.text import Text
    except ImportError:
        return _printed(CLEAR)
    return _live(Live, Text)


@contextmanager
def _printed(before: str) -> Iterator[Draw]:
    yield lambda lines: print(before + "\n".join(lines), flush=True)


@contextmanager
def _live(live_of: Any, text_of: Any) -> Iterator[Draw]:
    with live_of(screen=True, auto_refresh=False) as live:
        yield lambda lines: live.update(text_of("\n".join(lines)), refresh=True)


def screen(before: Look, after: Look) -> Iterator[str]:
    """What went on between two looks."""
    last, known, seconds = since(before, after)
    status, types = after
    yield from process_lines(status.process)
    yield ledger_line(last, status, seconds)
    names = ("link", "state", "sent/s", *QUEUE, "dropped", "reason")
    delivering = delivery_rates(last, status, seconds)
    rows = type_rates(known, types, seconds)
    for table in (
        columns(names, link_rates(last, status, seconds)),
        columns(tuple(delivering[0]) if delivering else (), delivering),
        columns(("messages/s", "bytes/s", "type", "to"), rows[:TYPES]),
    ):
        if lines := list(table):
            yield ""
            yield from lines


def json_line(before: Look, after: Look) -> str:
    """The same for programs: rates per second, and what waits now."""
    last, known, seconds = since(before, after)
    status, types = after
    value = {
        "time": status.process.time, "seconds": seconds,
        "messages": fate_rates(last, status, seconds),
        "peers": status.peers, "waiting": status.sinks.waiting, "bytes": status.sinks.bytes,
        "age": status.sinks.age, "fill": status.sinks.fill,
        "links": link_rates(last, status, seconds),
        "delivery": delivery_rates(last, status, seconds),
        "types": type_rates(known, types, seconds)[:TYPES],
    }  # fmt: skip
    return json.dumps(value)


def since(before: Look, after: Look) -> tuple[Status | None, dict[str, TypeStatus], float]:
    """What rates are counted from: the look before, nothing if the server was started meanwhile;
    and the seconds since then."""
    (last, known), (status, _) = before, after
    if status.process.started != last.process.started:
        return None, {}, max(status.process.time - status.process.started, 1e-3)
    return last, known, max(status.process.time - last.process.time, 1e-3)


def fate_rates(last: Status | None, status: Status, seconds: float) -> dict[str, int]:
    """Messages received per second, and those of each fate that some have come to."""
    old = last.ledger if last else None
    found = {"received": rate(old.received if old else None, status.ledger.received, seconds)}
    for fate in FATES:
        if number := status.ledger.fates.get(fate, 0):
            found[fate] = rate(old.fates.get(fate, 0) if old else None, number, seconds)
    return found


def ledger_line(last: Status | None, status: Status, seconds: float) -> str:
    """The rates of messages by their fates, and what waits."""
    rates = fate_rates(last, status, seconds).items()
    sinks = status.sinks
    oldest = f", the oldest for {sinks.age:.1f} s" if sinks.waiting else ""
    return ", ".join([
        *(f"{word} {number}/s" for word, number in rates), f"peers {status.peers}",
        f"waiting {sinks.waiting} ({sinks.bytes} bytes{oldest})",
    ])  # fmt: skip


def link_rates(last: Status | None, status: Status, seconds: float) -> list[dict[str, Any]]:
    """Links, those with trouble first, then by rate."""
    sent = {(one.section, one.address): one.sink.sent for one in last.links} if last else {}
    rows: list[dict[str, Any]] = [
        {
            "link": one.section, "state": one.state, **sink_row(one.sink),
            "sent/s": rate(sent.get((one.section, one.address)), one.sink.sent, seconds),
            "unacknowledged": one.delivery.unacknowledged if one.delivery else None,
            "reason": one.reason,
        }
        for one in status.links
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row["state"] == "up", -row["sent/s"]))


def delivery_rates(last: Status | None, status: Status, seconds: float) -> list[dict[str, Any]]:
    """Links with acknowledgements: those in doubt or with a spool that fails first, then those with
    the most on its way. `spooled` are bytes."""
    known = {(one.section, one.address): one.delivery for one in last.links} if last else {}
    rows = [
        {"link": one.section, "in-doubt": one.state == IN_DOUBT, **delivery_row(old, now, seconds)}
        for one in status.links
        if (now := one.delivery)
        for old in [known.get((one.section, one.address))]
    ]
    return sorted(
        rows,
        key=lambda row: (not row["in-doubt"], not row["spool-trouble"], -row["unacknowledged"]),
    )


def delivery_row(old: DeliveryStatus | None, now: DeliveryStatus, seconds: float) -> dict[str, Any]:
    """The figures of one link."""
    spool = now.spool
    return {
        "unacknowledged": now.unacknowledged,
        "oldest": f"{now.age:.1f} s" if now.unacknowledged else None,
        "acknowledged/s": rate(old.acknowledged if old else None, now.acknowledged, seconds),
        "resent/s": rate(old.resent if old else None, now.resent, seconds),
        "doubts": now.doubts,
        "spooled": spool.bytes if spool else None,
        "spool-fill": f"{spool.bytes / spool.limit:.0%}" if spool else None,
        "spool-trouble": (spool.problem or spool.damage) if spool else "",
    }


def type_rates(
    known: dict[str, TypeStatus], types: dict[str, TypeStatus], seconds: float
) -> list[dict[str, Any]]:
    """The types with the most messages since the last look."""
    rows: list[dict[str, Any]] = []
    for name, one in types.items():
        old = known.get(name)
        rows.append(
            {
                "type": name,
                "to": list(one.to),
                "messages/s": rate(old.messages if old else None, one.messages, seconds),
                "bytes/s": rate(old.bytes if old else None, one.bytes, seconds),
            }
        )
    return sorted(rows, key=lambda row: -row["messages/s"])


def rate(before: int | None, after: int, seconds: float) -> int:
    """How much more per second; a count that has begun anew is as large as it is now."""
    return round((after - before if before and before <= after else after) / seconds)
