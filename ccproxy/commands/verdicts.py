"""Runs config tests, and compares what came of each step with what the file expects.

It must never print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ccproxy.commands.cases import Case, Described, Step
from ccproxy.commands.offline import OfflineServer, Outcome
from ccproxy.commands.offline_messages import Answer
from ccproxy.config.plan import Plan
from ccproxy.plugins import Plugins
from ccproxy.wire.text import OperatorText, shortened

LONGEST = 500
"""Characters of an answer that a failure shows."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is not as a test expects it, and the line of the file that says so."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A test that was run: its failures, and for each step what was sent and what came of it."""

    case: Case
    failures: tuple[Failure, ...] = ()
    steps: tuple[tuple[Step, Outcome], ...] = field(default=(), compare=False)

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        case = self.case
        steps = [
            {"line": step.line, "sent": str(step.options.send or ""), **_outcome(outcome)}
            for step, outcome in self.steps
        ]
        return {
            "name": case.name, "file": case.file, "line": case.line, "ok": not self.failures,
            "failures": [asdict(one) for one in self.failures], "steps": steps,
        }  # fmt: skip


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "fate": outcome.fate, "reached": outcome.reached,
        "forwarded": [
            dict(zip(("section", "address", "type"), one, strict=True)) for one in outcome.forwarded
        ],
        "replies": [{"type": type, "value": value} for type, value in outcome.replies],
        "raised": outcome.raised, "refused": outcome.refused, "log": outcome.log,
    }  # fmt: skip


async def run_case(case: Case, plan: Plan, plugins: Plugins) -> CaseResult:
    """Run one test on handlers of its own."""
    server = OfflineServer(plan, plugins)
    await server.start()
    failures: list[Failure] = []
    steps: list[tuple[Step, Outcome]] = []
    try:
        for step in case.steps:
            options, message = step.options, None
            if options.send is not None and step.listener is not None:
                server.listen(step.listener)
                sent = options.send
                try:
                    message = server.peer.message(sent.type, sent.value, step.listener)
                except ValueError as error:
                    text = f"no listener would take {sent.type}: {error}"
                    failures.append(Failure(step.lines["send"], text))
                    continue
            outcome = await server.give(message, options.peer, options.wait)
            steps.append((step, outcome))
            failures += compare(step, outcome, server.not_started)
    finally:
        await server.stop()
    return CaseResult(case, tuple(failures), tuple(steps))


def compare(step: Step, outcome: Outcome, not_started: Mapping[str, str]) -> Iterator[Failure]:
    """What is not as the step expects it."""
    options = step.options
    unknown = {one: not_started[one] for one in outcome.reached if one in not_started}
    for name, texts in {
        "expect": unreached(step, outcome),
        "fate": [] if unknown else wrong_fate(step, outcome),
        "reply": [] if unknown else wrong_replies(step, outcome),
    }.items():
        for text in texts:
            yield Failure(step.lines.get(name, step.line), text)
    if options.fate or options.reply is not None:
        for section, why in unknown.items():
            text = f"{section} cannot run without a server, so what it does is not known: {why}"
            yield Failure(step.lines.get("fate", step.lines.get("reply", step.line)), text)
    for section in options.raises:
        if section not in outcome.raised:
            yield Failure(step.lines["raises"], f"{section} raised no exception")
    for section, error in outcome.raised.items():
        if section not in options.raises:
            yield Failure(step.line, f"{section} raised {shown(error)}")


def unreached(step: Step, outcome: Outcome) -> Iterator[str]:
    """The sections of `expect` that are not as wanted."""
    reached = ", ".join(outcome.reached) or "no section"
    for one in step.options.expect:
        if one.wanted and one.section not in outcome.reached:
            yield f"{one.section} was not reached; reached: {reached}"
        if not one.wanted and one.section in outcome.reached:
            yield f"{one.section} was reached"


def wrong_fate(step: Step, outcome: Outcome) -> Iterator[str]:
    """A fate that is another one."""
    wanted = step.options.fate
    if wanted and wanted != outcome.fate:
        why = "; ".join(f"{one}: {shown(text)}" for one, text in outcome.refused.items())
        yield f"the fate is {outcome.fate}, expected {wanted}" + (f" ({why})" if why else "")


def wrong_replies(step: Step, outcome: Outcome) -> Iterator[str]:
    """Answers that are others than expected, or more, or fewer."""
    wanted = step.options.reply
    if wanted is None:
        return
    found = outcome.replies
    for one, answer in zip(wanted, found, strict=False):
        if difference := unlike(one, answer):
            yield f"reply {one.type}: {difference}"
    for missing in wanted[len(found) :]:
        yield f"no reply {missing.type}"
    for type, value in found[len(wanted) :]:
        yield f"reply {shown(type)} {shown(value)} is one too many"


def unlike(wanted: Described, found: Answer) -> str:
    """How an answer differs from what is expected; empty if it does not."""
    type, value = found
    if type != wanted.type:
        return f"found {shown(type)} {shown(value)}"
    return "" if wanted.value is None else difference("", wanted.value, value)


def difference(path: str, wanted: Any, found: Any) -> str:
    """The first place at which a value lacks something that is wanted, or has something else."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, one in wanted.items():
            place = f"{path}.{name}".lstrip(".")
            if name not in found:
                return f"{shown(place)} is missing in {shown(found)}"
            if text := difference(place, one, found[name]):
                return text
        return ""
    if isinstance(wanted, list) and isinstance(found, list | tuple) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        texts = (difference(f"{path}[{number}]", *pair) for number, pair in pairs)
        return next(filter(None, texts), "")
    if isinstance(found, bytes) and isinstance(wanted, str):
        found = found.decode(errors="replace")
    same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return "" if same else f"{shown(path) or 'it'} is {shown(found)}, expected {shown(wanted)}"


def shown(value: object) -> str:
    """A value of a message or a plugin, shortened, for a terminal."""
    text = value if isinstance(value, str) else repr(value)
    return str(OperatorText(shortened(text, LONGEST)))


def told(result: CaseResult) -> Iterator[str]:
    """What happened in each step, as lines."""
    for step, outcome in result.steps:
        sent = str(step.options.send.type) if step.options.send else f"{step.options.wait:g} s"
        yield f"  line {step.line}: {shown(sent)}: {outcome.fate or 'no message'}"
        yield from _told(outcome)


def _told(outcome: Outcome) -> Iterator[str]:
    if outcome.reached:
        yield f"    reached {', '.join(outcome.reached)}"
    for section, address, type in outcome.forwarded:
        yield f"    {section} sends {shown(type) or 'a call'} to {address}"
    for section, why in outcome.refused.items():
        yield f"    {section} refuses it: {shown(why)}"
    for section, error in outcome.raised.items():
        yield f"    {section} raised {shown(error)}"
    for type, value in outcome.replies:
        yield f"    reply {shown(type)} {shown(value)}"
    yield from (f"    {shown(line)}" for line in outcome.log)


def failed(results: Sequence[CaseResult]) -> int:
    """The number of tests with failures."""
    return sum(bool(one.failures) for one in results)
