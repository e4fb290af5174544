"""The verb `probe`: whether a server is well, as Nagios and its kin ask: one line, and a status."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ccproxy.commands import common, numbers
from ccproxy.commands.columns import cell
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.core.ledger import OUTCOMES
from ccproxy.server.control_client import TokenRefused
from ccproxy.server.status import DRAINING, Status

EXAMPLES = """\
examples:
  ccserver probe conf/src.ini                         OK, or what is wrong
  ccserver probe conf/src.ini --waiting 1000:100000   warn from 1,000 messages that wait, critical
                                                      from 100,000
  ccserver probe conf/src.ini --lost 1:100 --seconds 5
  ccserver probe conf/src.ini --timeout 5             critical if it does not answer within 5 s

It looks twice, --seconds apart: messages lost and calls of handlers failed count in between only.
--timeout is for the whole: without it the command ends within 9 s (8 more than --seconds), before
the 10 s after which Nagios ends a plugin.
A link that is down or in doubt is a warning, and so is a spool that cannot be written; critical if
the section of the link says required = yes. Behind | stand the figures for graphs. With --json the
line is an object: grade, what is found, figures.
exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (wrong usage or token, or no server and a wrong
file)"""

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
OK, WARNING, CRITICAL, UNKNOWN = range(4)
NEVER = 1 << 62
ANSWER_TIME = 8.0
"""Seconds for both answers if `--timeout` says nothing else."""
LEAST_TIME = 0.1
"""Seconds that the second answer has even if the first one took all of them."""
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
    _json = False
    about = "say in one line whether a running server is well, for Nagios and its kin"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the thresholds."""
        super().arguments(parser)
        for name, default, what in (
            ("--waiting", Threshold(), "messages that wait in all queues"),
            ("--oldest", Threshold(), "seconds that the oldest message of a queue has waited"),
            ("--lost", Threshold(1), "messages lost or dropped between two looks (default: 1)"),
            ("--failed", Threshold(1), "calls of handlers that failed meanwhile (default: 1)"),
        ):
            parser.add_argument(
                name, metavar="W:C", type=Threshold.parse, default=default,
                help=f"warning and critical from so many on: {what}",
            )  # fmt: skip
        parser.add_argument(
            "--seconds", metavar="S", type=numbers.seconds, default=1.0,
            help="time between the two looks (default: 1)",
        )  # fmt: skip

    def timeout_argument(self, parser: argparse.ArgumentParser) -> None:
        """Declare how long the whole may take."""
        parser.add_argument(
            "--timeout", metavar="S", type=numbers.seconds,
            help=f"seconds for the whole (default: {ANSWER_TIME:g} more than --seconds)",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Look; what goes wrong is said in the same form."""
        self._json = options.json
        if options.timeout is None:
            options.timeout = options.seconds + ANSWER_TIME
        if options.timeout <= options.seconds:
            text = f"--timeout {options.timeout:g} is not longer than --seconds {options.seconds:g}"
            return self.failed(text, common.WRONG_USAGE)
        return super().run(options)

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Look twice, and print the line."""
        until = time.monotonic() + options.timeout
        server.timeout = options.timeout - options.seconds
        try:
            before = server.status()
        except TokenRefused as error:
            return self.failed(str(error), common.WRONG_USAGE)
        time.sleep(options.seconds)
        server.timeout = max(until - time.monotonic(), LEAST_TIME)
        after = server.status()
        findings = judged(before, after, options)
        texts = list(findings.texts()) or [summary(after)]
        grade = findings.grade
        if options.json:
            found = {"grade": WORDS[grade], "found": texts, "figures": measured(after)}
            print(json.dumps(found))
            return grade
        text = "; ".join(texts).replace("|", "/")  # figures follow behind the first one
        return said(grade, f"{text} | {figures(after)}")

    def failed(self, text: str, status: int) -> int:
        """No server is critical; what may be a mistake of the command is unknown."""
        grade = CRITICAL if status == common.FAILED else UNKNOWN
        if self._json:
            print(json.dumps({"grade": WORDS[grade], "found": [text], "figures": {}}))
            return grade
        return said(grade, cell(text).replace("|", "/"))


def said(grade: int, text: str) -> int:
    """Print the line; the exit status."""
    print(f"CCSERVER {WORDS[grade]}: {text}")
    return grade


def judged(before: Status, after: Status, options: argparse.Namespace) -> Findings:
    """What is wrong with a server, by two looks at it."""
    found = Findings()
    if after.draining:
        found.add(WARNING, DRAINING)
    for listener in after.listeners:
        if not listener.listening and not after.draining:
            found.add(CRITICAL, f"{cell(listener.section)} has lost its address")
    for link in after.links:
        if link.state != "up":
            grade = CRITICAL if link.required else WARNING
            why = f" ({cell(link.reason)})" if link.reason else ""
            found.add(grade, f"{cell(link.section)} is {link.state}{why}")
        spool = link.delivery.spool if link.delivery else None
        if spool is not None and spool.problem:
            grade = CRITICAL if link.required else WARNING
            found.add(grade, f"{cell(link.section)} cannot write its spool: {cell(spool.problem)}")
    if after.memory.state != "free":
        grade = CRITICAL if after.memory.state == "full" else WARNING
        found.add(grade, f"memory is {cell(after.memory.state)}")
    waiting = after.sinks.waiting
    found.add(options.waiting.grade(waiting), f"{waiting} messages wait")
    age = int(after.sinks.age)
    found.add(options.oldest.grade(age), f"a message has waited for {age} s")
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


def measured(status: Status) -> dict[str, int | float]:
    """The figures for graphs, by their names; `age` and `fill` are those of the worst queue."""
    sinks = status.sinks
    return {
        "peers": status.peers, "received": status.ledger.received,
        "lost": sum(fates_of(status).values()), "dropped": sum(sinks.dropped.values()),
        "waiting": sinks.waiting, "waiting_bytes": sinks.bytes, "age": sinks.age,
        "fill": sinks.fill, "memory": status.memory.used,
    }  # fmt: skip


UNITS = {
    "received": "c", "lost": "c", "dropped": "c", "waiting_bytes": "B", "memory": "B", "age": "s",
}  # fmt: skip
"""Units of figures, as the plugin guidelines of Nagios write them; c is a counter."""


def figures(status: Status) -> str:
    """The figures in one line."""
    return " ".join(f"{name}={one}{UNITS.get(name, '')}" for name, one in measured(status).items())
