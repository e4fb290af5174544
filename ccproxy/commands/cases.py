"""The file of config tests: `[test:NAME]` sections as values, or every mistake in the file.

A test is a series of steps. The options of the first one have no number; those of the others end
with theirs: `send.2`, `expect.2`. It must never ask a handler: what would happen is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccproxy.config import kinds
from ccproxy.config.ini import Entry, Section, decode, parse
from ccproxy.config.options import Kind, option
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import resolve, suggest
from ccproxy.config.scan import Grammar
from ccproxy.core.ledger import FATES
from ccproxy.wire.cc import valid_type

TEST = "test:"
"""The first part of the names of the sections."""
GRAMMAR = Grammar(variables=False, example="[test:NAME]")
"""JSON has percent signs that stand for themselves."""
CHECKS = ("expect", "fate", "reply", "raises")
_NUMBERED = re.compile(r"([\w-]+)\.([2-9]|[1-9][0-9]{1,3})")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Described:
    """A message as the file describes it; `value` is None without JSON."""

    type: str
    value: Any = None

    def __str__(self) -> str:
        return self.type if self.value is None else f"{self.type} {json.dumps(self.value)}"


@dataclass(frozen=True, slots=True)
class Reach:
    """One element of `expect`: a section, and whether the message must get there or must not."""

    section: str
    wanted: bool


def _messages(text: str) -> tuple[Described, ...]:
    """TYPE [JSON] several times; ValueError says what cannot be read."""
    found: list[Described] = []
    at, text = 0, text.strip()
    while at < len(text):
        word = re.compile(r"\S+").match(text, at)
        assert word is not None
        if word[0].startswith(("{", "[", '"')):
            raise kinds.wrong(text, "TYPE, or TYPE and JSON")
        at = _skip(text, word.end())
        value = None
        if at < len(text) and text[at] in '{["':
            try:
                value, at = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"the JSON of {word[0]} cannot be read: {error}") from None
            at = _skip(text, at)
        found.append(Described(word[0], value))
    return tuple(found)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _sent(text: str) -> Described:
    found = _messages(text)
    if len(found) != 1:
        raise kinds.wrong(text, "one message: TYPE, or TYPE and JSON; the next one is send.2")
    return found[0]


def _replies(text: str) -> tuple[Described, ...]:
    return () if text.strip().lower() == "no" else _messages(text) or _none(text)


def _none(text: str) -> tuple[Described, ...]:
    raise kinds.wrong(text, "TYPE, TYPE and JSON, or no")


def _reach(text: str) -> Reach:
    words = text.split()
    if not words or len(words) > 2 or (len(words) == 2 and words[0] != "not"):
        raise kinds.wrong(text, "SECTION or not SECTION, separated by commas")
    return Reach(words[-1], len(words) == 1)


def _fate(text: str) -> str:
    return str(kinds.choice(*FATES).parse(text.strip()))


@dataclass(frozen=True, slots=True)
class StepOptions:
    """The options of one step."""

    send: Described | None = option(
        Kind("TYPE [JSON]", _sent), default=None, help="the message that comes in"
    )
    listener: str = option(
        kinds.text, name="from", default="",
        help="section of the listener that it comes in by: ccserver, or listen:NAME",
    )  # fmt: skip
    peer: str = option(
        kinds.text, name="as", default="",
        help="NAME of an [allow:NAME] section: the peer that sends it",
    )  # fmt: skip
    wait: float = option(
        kinds.duration("s"), default=0.0, help="time that passes before the step is looked at"
    )
    expect: tuple[Reach, ...] = option(
        kinds.list_of(Kind("[not] SECTION", _reach)), default=(),
        help="sections that the message reaches, or with not in front does not",
    )  # fmt: skip
    fate: str = option(Kind("fate", _fate), default="", help="how the message ends")
    reply: tuple[Described, ...] | None = option(
        Kind("TYPE [JSON] ... | no", _replies), default=None,
        help="the answers, in order; JSON needs to have what is given, and may have more",
    )  # fmt: skip
    raises: tuple[str, ...] = option(
        kinds.list_of(Kind("handler section", str)), default=(),
        help="sections whose handler raises an exception",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a test. `lines` are those of its options, by their names."""

    number: int
    line: int
    options: StepOptions
    lines: Mapping[str, int] = field(compare=False)
    listener: ListenerPlan | None = None
    """The listener that the message comes in by."""


@dataclass(frozen=True, slots=True)
class Case:
    """One `[test:NAME]` section."""

    name: str
    file: str
    line: int
    steps: tuple[Step, ...]


def read_cases(file: Path, plan: Plan) -> tuple[list[Case], list[Problem]]:
    """The tests of a file for a plan, and every mistake in it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        return [], [Problem(str(file), 0, what, "write a section [test:NAME], or name the file")]
    text, problems = decode(str(file), data)
    ini, more = parse(str(file), text, {}, "", GRAMMAR)
    reader = _Reader(plan, [*problems, *more])
    cases = [one for section in ini.sections for one in reader.case(section)]
    if not ini.sections and not reader.problems:
        reader.problems.append(Problem(str(file), 0, "no section [test:NAME]"))
    return cases, sorted(set(reader.problems))


class _Reader:
    def __init__(self, plan: Plan, problems: list[Problem]) -> None:
        self.plan = plan
        self.problems = problems

    def case(self, section: Section) -> Iterator[Case]:
        """The test of a section, if it has no mistake."""
        name = section.name.removeprefix(TEST).strip()
        if not section.name.startswith(TEST) or not name:
            what = f"unknown kind of section [{section.name}]"
            self.problems.append(section.problem(what, "write [test:NAME]"))
            return
        before = len(self.problems)
        steps = [self.step(section, number, own) for number, own in numbered(section).items()]
        if not any(one in step.lines for step in steps for one in CHECKS):
            what = f"[{section.name}] expects nothing"
            self.problems.append(section.problem(what, f"give one of {', '.join(CHECKS)}"))
        if not any("send" in step.lines for step in steps):
            self.problems.append(section.problem(f'[{section.name}] lacks "send"', "TYPE [JSON]"))
        if before == len(self.problems):
            yield Case(name, section.file, section.line, tuple(steps))

    def step(self, section: Section, number: int, entries: Sequence[Entry]) -> Step:
        """One step; its mistakes are collected."""
        resolved = resolve(replace(section, entries=tuple(entries)), StepOptions)
        self.problems += resolved.problems
        options = resolved.options or StepOptions()
        given = {one.name: one for one in (*section.inherited, *entries)}
        lines = {name: entry.line for name, entry in given.items()}
        line = min((one.line for one in entries), default=section.line)
        step = Step(number, line, options, lines, self.listener(options))
        if resolved.options is None:
            return step
        for name, what, hint in self.mistakes(step):
            self.problems.append(given[name].problem(f"[{section.name}]: {what}", hint))
        return step

    def listener(self, options: StepOptions) -> ListenerPlan | None:
        """The listener that is named; else that of the type, else the first one."""
        if options.send is None:
            return None
        if options.listener:
            return self.plan.listener(options.listener)
        type = f"{options.send.type}."
        typed = [one for one in self.plan.listeners if one.type]
        fitting = [one for one in typed if type.startswith(f"{one.type}.")]
        untyped = [one for one in self.plan.listeners if not one.type]
        fitting.sort(key=lambda one: len(one.type), reverse=True)
        return next(iter([*fitting, *untyped]), None)

    def mistakes(self, step: Step) -> Iterator[tuple[str, str, str]]:
        """Option, what is wrong with it, and a hint; what is compared is the plan."""
        options = step.options
        handlers = [one.section for one in self.plan.handlers]
        named = [("expect", one.section) for one in options.expect]
        for name, section in (*named, *(("raises", one) for one in options.raises)):
            if section not in handlers:
                yield name, f"no handler runs as [{section}]", suggest(section, handlers)
        allowed = [one.rights.name for one in self.plan.allow]
        if options.peer and options.peer not in allowed:
            yield "as", f"no section [allow:{options.peer}]", suggest(options.peer, allowed)
        if options.send is None:
            for name in ("from", "as", "expect", "fate"):
                if name in step.lines:
                    yield name, f'"{name}" is about a message, and nothing is sent', "add send"
            return
        yield from self.unfit(step.listener, options, options.send)

    def unfit(
        self, listener: ListenerPlan | None, options: StepOptions, sent: Described
    ) -> Iterator[tuple[str, str, str]]:
        """What is wrong with a message and the listener that it comes in by."""
        if listener is None:
            names = [one.section for one in self.plan.listeners]
            where, hint = f"[{options.listener}]", suggest(options.listener, names)
            what = f"no listener {where}" if options.listener else "no listener takes this message"
            known = f"known: {', '.join(names)}" if names else "only handlers take messages here"
            yield "from" if options.listener else "send", what, hint or known
            return
        type = listener.type
        if type and not f"{sent.type}.".startswith(f"{type}.") and valid_type(sent.type.encode()):
            yield "send", f"messages of [{listener.section}] have types that begin with {type}", ""
        if listener.protocol == "cc" and not isinstance(sent.value, dict | None):
            yield "send", "the JSON of a CC message is an object", 'such as {"name": "value"}'


def numbered(section: Section) -> dict[int, list[Entry]]:
    """The entries of each step, by its number, with names that lack it."""
    found: dict[int, list[Entry]] = {}
    for entry in section.entries:
        match = _NUMBERED.fullmatch(entry.name)
        name, number = (match[1], int(match[2])) if match else (entry.name, 1)
        found.setdefault(number, []).append(replace(entry, name=name))
    return dict(sorted(found.items()))
