"""The verb `probe`: whether a server is well, as Nagios and its kin ask: one line, and a status."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ccproxy.commands import common, numbers
from ccproxy.commands.columns import cell
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.core.ledger import OUTCOMES
from ccproxy.server.status import Status

EXAMPLES = """\
examples:
  ccserver probe conf/src.ini                         OK, or what is wrong
  ccserver probe conf/src.ini --waiting 1000:100000   warn from 1,000 messages that wait, critical
                                                      from 100,000
  ccserver probe conf/src.ini --lost 1:100 --seconds 5

It looks twice, --seconds apart: messages lost and calls of handlers failed count in between only.
A link that is down is a warning, and critical if its section says required = yes. Behind | stand
the figures for graphs.
exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (wrong usage, or no server and a wrong file)"""

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
OK, WARNING, CRITICAL, UNKNOWN = range(4)
NEVER = 1 << 62
LOST = (*OUTCOMES["dropped"], *OUTCOMES["crashed"], *OUTCOMES["invalid"])
"""Fates of lost messages."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which number on something is a warning, and from which it is critical."""

    warning: int = NEVER
    critical: int = NEVER

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """WARNING:CRITICAL, of which either may be missing."""
        warning, _, critical = text.partition(":")
        try:
            found = cls(int(warning or NEVER), int(critical or NEVER))
        except ValueError:
            what = f"found {text!r:.40}, expected two numbers as in 10:100, or one as in 10 or :100"
            raise argparse.ArgumentTypeError(what) from None
        if warning and critical and found.critical < found.warning:
            what = f"found {text!r:.40}, of which the critical number is below that of the warning"
            raise argparse.ArgumentTypeError(what)
        return found

    def grade(self, number: int) -> int:
        """OK, WARNING or CRITICAL."""
        return CRITICAL if number >= self.critical else WARNING if number >= self.warning else OK


@dataclass(slots=True)
class Findings:
    """What is wrong, each with its grade."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, grade: int, text: str) -> None:
        """Note it unless it is OK."""
        if grade:
            self.found.append((grade, text))

    @property
    def grade(self) -> int:
        """The worst of all."""
        return max((grade for grade, _ in self.found), default=OK)

    def texts(self) -> Iterator[str]:
        """The worst first."""
        for _, text in sorted(self.found, key=lambda one: -one[0]):
            yield text


class ProbeVerb(ServerVerb):
    """`ccserver probe`."""

    wrong_usage = UNKNOWN
    about = "say in one line whether a running server is well, for Nagios and its kin"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the thresholds."""
        super().arguments(parser)
        for name, default, what in (
            ("--waiting", Threshold(), "messages that wait in all queues"),
            ("--lost", Threshold(1), "messages lost or dropped between two looks (default: 1)"),
            ("--failed", Threshold(1), "calls of handlers that failed meanwhile (default: 1)"),
        ):
            parser.add_argument(
                name, metavar="W:C", type=Threshold.parse, default=default,
                help=f"warning and critical from so many on: {what}",
            )  # fmt: skip
        parser.add_argument(
            "--seconds", metavar="S", type=numbers.seconds, default=1.0,
            help="time between the two looks",
        )  # fmt: skip

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Look twice, and print the line."""
        before = server.status()
        time.sleep(options.seconds)
        after = server.status()
        findings = judged(before, after, options)
        texts = list(findings.texts()) or [summary(after)]
        text = "; ".join(texts).replace("|", "/")  # figures follow behind the first one
        return said(findings.grade, f"{text} | {figures(after)}")

    def failed(self, text: str, status: int) -> int:
        """No server is critical; what may be a mistake of the command is unknown."""
        grade = UNKNOWN if status == common.BAD_CONFIGURATION else CRITICAL
        return said(grade, cell(text).replace("|", "/"))


def said(grade: int, text: str) -> int:
    """Print the line; the exit status."""
    print(f"CCSERVER {WORDS[grade]}: {text}")
    return grade


def judged(before: Status, after: Status, options: argparse.Namespace) -> Findings:
    """What is wrong with a server, by two looks at it."""
    found = Findings()
    for listener in after.listeners:
        if not listener.listening:
            found.add(CRITICAL, f"{cell(listener.section)} has lost its address")
    for link in after.links:
        if link.state != "up":
            grade = CRITICAL if link.required else WARNING
            why = f" ({cell(link.reason)})" if link.reason else ""
            found.add(grade, f"{cell(link.section)} is {link.state}{why}")
    if after.memory.state != "free":
        grade = CRITICAL if after.memory.state == "full" else WARNING
        found.add(grade, f"memory is {cell(after.memory.state)}")
    waiting = after.sinks.waiting
    found.add(options.waiting.grade(waiting), f"{waiting} messages wait")
    for grade, text in changes(before, after, options):
        found.add(grade, text)
    return found


def changes(
    before: Status, after: Status, options: argparse.Namespace
) -> Iterator[tuple[int, str]]:
    """What was lost, and which calls failed, between two looks."""
    for where, reason, number in fresh(losses_of(before), losses_of(after)):
        yield options.lost.grade(number), f"{cell(where)} dropped {cell(reason)}={number}"
    for where, reason, number in fresh(faults_of(before), faults_of(after)):
        yield options.failed.grade(number), f"{cell(where)} {cell(reason)}={number}"
    for _, fate, number in fresh(fates_of(before), fates_of(after)):
        yield options.lost.grade(number), f"{number} messages {fate}"


Counted = dict[tuple[str, str], int]


def losses_of(status: Status) -> Counted:
    """Drops by destination and reason."""
    return _flat(status.sinks.losses)


def faults_of(status: Status) -> Counted:
    """Calls of handlers that went wrong."""
    return _flat({one.section: one.faults for one in status.handlers})


def _flat(found: Mapping[str, Mapping[str, int]]) -> Counted:
    return {
        (where, reason): number
        for where, counts in found.items()
        for reason, number in counts.items()
    }


def fates_of(status: Status) -> Counted:
    """Messages that are lost as a whole."""
    return {("", fate): status.ledger.fates.get(fate, 0) for fate in LOST}


def fresh(before: Counted, after: Counted) -> Iterator[tuple[str, str, int]]:
    """What was counted in between; after a restart, since then."""
    for (where, reason), number in after.items():
        last = before.get((where, reason), 0)
        if number > last:
            yield where, reason, number - last


def summary(status: Status) -> str:
    """A line for a server that is well."""
    return (
        f"{status.peers} peers, {len(status.links)} links up, "
        f"{status.ledger.received} messages received, {status.sinks.waiting} wait"
    )


def figures(status: Status) -> str:
    """Performance data, as the plugin guidelines of Nagios write them: c is a counter."""
    lost = sum(fates_of(status).values())
    dropped = sum(status.sinks.dropped.values())
    return (
        f"peers={status.peers} received={status.ledger.received}c lost={lost}c dropped={dropped}c "
        f"waiting={status.sinks.waiting} waiting_bytes={status.sinks.bytes}B "
        f"memory={status.memory.used}B"
    )
