"""The verb `top`: what a running server does now, again and again: rates, links, queues, types."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from typing import Any

from ccproxy.commands import numbers
from ccproxy.commands.columns import columns
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.status import process_lines
from ccproxy.core.ledger import FATES
from ccproxy.server.status import Status, TypeStatus

EXAMPLES = """\
examples:
  ccserver top conf/src.ini                  what goes on, each second, until ^C
  ccserver top conf/src.ini --seconds 5      each five seconds
  ccserver top conf/src.ini --times 1        once, for a file or a mail

Rates are per second since the last look; the types with the most messages since then come first.
With the package rich (pip install 'ccserver[tui]') the screen is drawn without flicker.
exit status: 0 ^C or --times, 1 no server answers or it ends"""

TYPES = 15
"""Message types that are shown."""
ASKED_TYPES = 200
"""Types with the most messages at all, among which those with the highest rates are looked for."""
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
            help="time between two looks",
        )  # fmt: skip
        parser.add_argument("--times", metavar="N", type=numbers.count, help="end after N screens")

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Draw until the end."""
        with suppress(KeyboardInterrupt), drawing() as draw:
            before = look(server)
            for number in count(1):
                time.sleep(options.seconds)
                after = look(server)
                draw(list(screen(before, after)))
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


def drawing() -> AbstractContextManager[Draw]:
    """How screens are drawn: by rich if it is there, else by clearing the terminal."""
    if not sys.stdout.isatty():
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
    (last, known), (status, types) = before, after
    seconds = max(status.process.time - last.process.time, 1e-3)
    same = status.process.started == last.process.started
    if not same:  # the server was started again
        seconds, known = max(status.process.time - status.process.started, 1e-3), {}
    yield from process_lines(status.process)
    yield ledger_line(last if same else None, status, seconds)
    yield ""
    yield from link_rates(last if same else None, status, seconds)
    yield ""
    yield from type_rates(known, types, seconds)


def ledger_line(last: Status | None, status: Status, seconds: float) -> str:
    """The rates of messages by their fates, and what waits."""
    old = last.ledger.received if last else None
    parts = [f"received {rate(old, status.ledger.received, seconds)}/s"]
    for fate in FATES:
        number = status.ledger.fates.get(fate, 0)
        if number:
            old = last.ledger.fates.get(fate, 0) if last else None
            parts.append(f"{fate} {rate(old, number, seconds)}/s")
    parts.append(f"peers {status.peers}")
    parts.append(f"waiting {status.sinks.waiting} ({status.sinks.bytes} bytes)")
    return ", ".join(parts)


def link_rates(last: Status | None, status: Status, seconds: float) -> Iterator[str]:
    """Links, those with trouble first, then by rate."""
    sent = {(one.section, one.address): one.sink.sent for one in last.links} if last else {}
    rows: list[dict[str, Any]] = [
        {
            "link": one.section, "state": one.state, "waiting": one.sink.waiting,
            "sent/s": rate(sent.get((one.section, one.address)), one.sink.sent, seconds),
            "dropped": dict(one.sink.dropped), "reason": one.reason,
        }
        for one in status.links
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["state"] == "up", -row["sent/s"]))
    yield from columns(("link", "state", "sent/s", "waiting", "dropped", "reason"), rows)


def type_rates(
    known: dict[str, TypeStatus], types: dict[str, TypeStatus], seconds: float
) -> Iterator[str]:
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
            }  # fmt: skip
        )
    rows.sort(key=lambda row: -row["messages/s"])
    yield from columns(("messages/s", "bytes/s", "type", "to"), rows[:TYPES])


def rate(before: int | None, after: int, seconds: float) -> int:
    """How much more per second; a count that has begun anew is as large as it is now."""
    return round((after - before if before and before <= after else after) / seconds)
