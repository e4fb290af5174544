"""Which handler sections start, with which class and options: those that routes and options name.

A function gives the class of a handler. This module must never import a handler, and of a handler
it must run nothing but the constructor and `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ccproxy.config.asking import asking
from ccproxy.config.ini import BUILT_IN, SERVER, Entry, Ini, Section
from ccproxy.config.keys import key_faults
from ccproxy.config.options import names_of
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import Reference, Resolved, resolve, suggest
from ccproxy.config.routes import Use
from ccproxy.config.taken import TakenAddresses
from ccproxy.config.tls import tls_faults

WORDS = ("plugin", "handler")
"""Options that name the handler; the first is the old name and takes precedence."""

PLANNED = frozenset({"database", "infowriter", "jobmgr", "tailwriter", "taskrouter"})
"""Handlers of CC that a file from there may name, and that are not here yet."""
OF_CC = "a handler of CC that is not here yet; let a server of CC run it, and forward to that one"
_NOT_HANDLERS = (SERVER, "routes")
_NOT_PREFIXES = ("listen:", "allow:")


MOST_OWNERS = 4
"""Handlers that a hint names."""

Find = Callable[[str], type[Any] | Problem]
"""Finds the class of a word of the INI."""


@dataclass(frozen=True, slots=True)
class Role:
    """The `cc-role` and the line that sets it; 0 if no line of the file does."""

    name: str
    line: int


def is_handler(section: Section) -> bool:
    """True for `[h:NAME]` and for every other section that asks for a handler."""
    if section.name in _NOT_HANDLERS or section.name.startswith(_NOT_PREFIXES):
        return False
    return section.name.startswith("h:") or any(section.own(name) for name in WORDS)


class Handlers:
    """Collects the handlers that start.

    `plans` is in order of first use; a handler comes after those that its options name.
    """

    def __init__(
        self,
        ini: Ini,
        find: Find,
        find_protocol: Find,
        role: Role,
        words: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`words` gives those of all handlers there are."""
        self.words = words
        self.ini = ini
        self.find = find
        self.find_protocol = find_protocol
        self.role = role
        self.plans: dict[str, HandlerPlan] = {}
        self.problems: list[Problem] = []
        self.option_names: set[str] = set(BUILT_IN) | set(WORDS)
        self.standalone = False
        """True if one of them works without routes, or may: its class cannot be loaded."""
        self.begun: set[str] = set()
        self.path: list[str] = []
        """Sections whose references are being followed, outermost first."""

    def collect(self, uses: Iterable[Use]) -> None:
        """Take all sections the routes name, then those that start without a route."""
        for use in uses:
            if self.named(use.section, use.file, use.line, f'route "{use.prefix}"'):
                self.take(use.section)
        for section in self.ini.sections:
            if is_handler(section) and section.name not in self.begun:
                self.idle(section)

    def named(self, name: str, file: str, line: int, by: str) -> bool:
        """True if a section of this name can be a handler section; else it is a problem."""
        section = self.ini.section(name)
        if section is None:
            handlers = [one.name for one in self.ini.sections if is_handler(one)]
            what = f"{by} names [{name}], which does not exist"
            self.problems.append(Problem(file, line, what, _hint(name, handlers)))
            return False
        if name in _NOT_HANDLERS or name.startswith(_NOT_PREFIXES):
            what = f"{by} names [{name}], which is no handler section"
            self.problems.append(Problem(file, line, what))
            return False
        return True

    def take(self, name: str) -> None:
        """Plan a section that exists, and before it those it refers to."""
        if name in self.begun:
            return
        self.begun.add(name)
        section = self.ini.section(name)
        assert section is not None
        word = self.word(section)
        if word is None:
            return
        factory = self.factory(word)
        self.standalone = self.standalone or factory is None or factory.standalone
        if factory is not None:
            self.place(section, word, factory)

    def place(self, section: Section, word: Entry, factory: type[Any]) -> None:
        self.option_names |= names_of(factory.Options)
        self.check_role(section, word, factory)
        resolved = resolve(section, factory.Options, WORDS, self.owners)
        self.problems += resolved.problems
        self.path.append(section.name)
        for reference in resolved.references:
            self.follow(section, reference)
        self.path.pop()
        if resolved.options is not None:
            self.plans[section.name] = _plan(section, word, factory, resolved)

    def owners(self, option: str) -> str:
        """A hint that names the handlers which have an option; "" if none has it."""
        found = ((word, self.find(word)) for word in self.words())
        owners = [
            word for word, one in found
            if not isinstance(one, Problem) and option in names_of(one.Options)
        ]  # fmt: skip
        more = " and others" if len(owners) > MOST_OWNERS else ""
        return f"it belongs to {', '.join(owners[:MOST_OWNERS])}{more}" if owners else ""

    def follow(self, section: Section, reference: Reference) -> None:
        """Plan a section that an option names; a circle of sections is a problem."""
        entry = reference.entry
        by = f'"{reference.option}" in [{section.name}]'
        if reference.kind == "protocol":
            self.check_protocol(reference, by)
            return
        if reference.kind != "handler":
            if self.ini.section(reference.section) is None:
                what = f"{by} names [{reference.section}], which does not exist"
                known = [one.name for one in self.ini.sections]
                self.problems.append(entry.problem(what, suggest(reference.section, known)))
            return
        if not self.named(reference.section, entry.file, entry.line, by):
            return
        if reference.section in self.path:
            circle = self.path[self.path.index(reference.section) :]
            what = f"{by} goes round in a circle: {' -> '.join([*circle, reference.section])}"
            self.problems.append(entry.problem(what))
            return
        self.take(reference.section)

    def check_protocol(self, reference: Reference, by: str) -> None:
        """The protocol that an option names has to be one that services can be called in."""
        found = self.find_protocol(reference.section)
        if isinstance(found, Problem):
            entry = reference.entry
            self.problems.append(replace(found, file=entry.file, line=entry.line))
        elif not found.calls_services:
            what = f'{by}: no service can be called in protocol "{reference.section}"'
            self.problems.append(reference.entry.problem(what))

    def word(self, section: Section) -> Entry | None:
        """The entry that names the handler."""
        entries = [entry for name in WORDS if (entry := section.entry(name))]
        if not entries:
            self.problems.append(_no_word(section))
            return None
        if len(entries) > 1:
            what = f'"plugin" in [{section.name}] wins over "handler" in line {entries[1].line}'
            self.problems.append(entries[0].problem(what, "keep one of them", warning=True))
        entry = entries[0]
        if entry.fault is not None:
            self.problems.append(entry.fault)
            return None
        return entry

    def factory(self, word: Entry) -> type[Any] | None:
        found = self.find(word.text)
        if isinstance(found, Problem):
            hint = OF_CC if word.text.removeprefix("cc.handler.") in PLANNED else found.hint
            self.problems.append(replace(found, file=word.file, line=word.line, hint=hint))
            return None
        return found

    def check_role(self, section: Section, word: Entry, factory: type[Any]) -> None:
        role = self.role.name
        if role == "insecure" or role in factory.roles:
            return
        what = f'handler "{word.text}" in [{section.name}] cannot run with cc-role = {role}'
        allowed = " or ".join(sorted(factory.roles))
        where = f"line {self.role.line}" if self.role.line else "the command line"
        hint = f"{where} sets the role; this handler needs {allowed}"
        self.problems.append(word.problem(what, hint))

    def idle(self, section: Section) -> None:
        """A section that no route and no option names: it starts only if its handler is one that
        works without them."""
        entries = [entry for name in WORDS if (entry := section.entry(name)) and not entry.fault]
        found = self.find(entries[0].text) if entries else None
        if isinstance(found, Problem) and section.original:
            self.problems.append(entries[0].problem(found.what, found.hint, warning=True))
            return
        if found is not None and (isinstance(found, Problem) or found.standalone):
            # If it cannot be loaded, it may be such a handler: `take` reports the reason.
            self.take(section.name)
            return
        if found is not None:
            self.later(section, found)
        if section.name in self.mentioned():
            return
        what = f"section [{section.name}] is not used: no route and no option names it"
        self.problems.append(section.problem(what, warning=True))

    def later(self, section: Section, factory: type[Any]) -> None:
        """Warn of what would be wrong with an unused section once it is used.

        These are warnings, so that the server still starts with such a file.
        """
        self.option_names |= names_of(factory.Options)
        resolved = resolve(section, factory.Options, WORDS)
        self.problems += [replace(one, warning=True) for one in resolved.problems]

    def mentioned(self) -> set[str]:
        """All names in the options of sections whose options could not be read."""
        unread = [one for name in self.begun - set(self.plans) if (one := self.ini.section(name))]
        texts = [entry.text for section in unread for entry in section.entries]
        return {part.strip() for text in texts for part in text.split(",")}

    def check(self, plan: Plan, sound: bool, taken: TakenAddresses) -> Iterator[Problem]:
        """Let each handler check the plan, and take the addresses that it listens on; `sound` is
        True if the plan has no mistakes so far."""
        for one in plan.handlers:
            yield from _key_problems(one, plan)
            with asking(one, f'handler "{one.word}"', plan.file, sound) as found:
                handler = one.factory(one.section, one.options)
                found += handler.check(plan)
                for address in handler.listens_on():
                    found += taken.take(one.section, one.line, address)
            yield from found


def _plan(section: Section, word: Entry, factory: type[Any], resolved: Resolved) -> HandlerPlan:
    refers = tuple(one.section for one in resolved.references if one.kind == "handler")
    return HandlerPlan(section.name, word.text, factory, resolved.options, section.line, refers)


def _hint(name: str, handlers: list[str]) -> str:
    if " #" in name:
        return 'a comment behind a value starts with " ;"'
    parts = name.split()
    if len(parts) > 1 and all(part in handlers for part in parts):
        return "write a comma between two sections"
    bare = {one.removeprefix("h:"): one for one in handlers}
    hint = suggest(name.removeprefix("h:"), bare)
    return next(
        (hint.replace(f'"{one}"', f'"{bare[one]}"') for one in bare if f'"{one}"' in hint), ""
    )


def _no_word(section: Section) -> Problem:
    """The problem of a handler section without `handler`, which may be misspelled."""
    for entry in section.entries:
        hint = suggest(entry.name, ("handler",))
        if hint:
            return entry.problem(f'unknown option "{entry.name}" in [{section.name}]', hint)
    return section.problem(f'[{section.name}] lacks "handler"', "write handler = WORD")


def _key_problems(one: HandlerPlan, plan: Plan) -> Iterator[Problem]:
    """What is wrong with the keys of a handler's links and listeners."""
    for fault in (*key_faults(one.options), *tls_faults(one.options)):
        what = f'"{fault.option}" in [{one.section}]: {fault.what}'
        yield Problem(plan.file, one.line, what, fault.hint)
