"""Which listeners there are: `cc-socket` of `[ccserver]` and every `[listen:NAME]`, with options.

A function gives the class of a protocol. This module must never import a protocol, and of a
protocol it must run nothing but the constructor and `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ccproxy.config.asking import asking
from ccproxy.config.ini import BUILT_IN, SERVER, Entry, Ini, Section
from ccproxy.config.keys import key_faults
from ccproxy.config.links import ListenerOptions
from ccproxy.config.options import names_of, options_of
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import Resolved, resolve
from ccproxy.config.security import EXPOSED, protection
from ccproxy.config.server import ListenSection
from ccproxy.config.taken import TakenAddresses
from ccproxy.config.tls import tls_faults

LISTEN = "listen:"
"""The first part of the names of listener sections."""
DEFAULT_PROTOCOL = "cc"
"""The protocol of `cc-socket`."""
_KERNEL = ("protocol", "address")
"""Options of a listener that belong to no protocol."""

Find = Callable[[str], type[Any] | Problem]


@dataclass(frozen=True, slots=True)
class ListenerSection:
    """A listener section as read: the word and class of its protocol, its address and options."""

    protocol: str
    factory: type
    address: str
    options: Any


class ListenerSections:
    """Collects the listeners in the order of the file; `plans` are those without mistakes."""

    def __init__(self, ini: Ini, find: Find) -> None:
        self.ini = ini
        self.find = find
        self.plans: list[ListenerPlan] = []
        self.problems: list[Problem] = []
        self.option_names: set[str] = set()
        self.taken = TakenAddresses(ini.file)
        """The addresses of `plans`; those that handlers listen on are added by their check."""

    @property
    def any(self) -> bool:
        """True if the file has such a section, even one with mistakes."""
        return any(section.name.startswith(LISTEN) for section in self.ini.sections)

    def collect(self, server: Resolved, words: Callable[[], Sequence[str]]) -> None:
        """Take `cc-socket` and every listener section; `words` gives the words of all protocols."""
        self.default(server)
        for section in self.ini.sections:
            if section.name.startswith(LISTEN):
                self.take(section, words)
        for one in self.plans:
            if one.address:
                self.problems += self.taken.take(one.section, one.line, one.address)

    def check(self, plan: Plan, sound: bool) -> Iterator[Problem]:
        """Look at the keys of each listener, and let its protocol check its plan.

        `sound` is True if the plan has no mistakes so far.
        """
        for one in self.plans:
            yield from security_problems(one, plan)
            with asking(one, f'protocol "{one.protocol}"', self.ini.file, sound) as found:
                found += one.factory(one.protocol).check(one)
            yield from found

    def default(self, server: Resolved) -> None:
        """Take the listener of `[ccserver]`."""
        section = self.ini.section(SERVER)
        entry = section.entry("cc-socket") if section else None
        if section is None or entry is None or "cc_socket" not in server.values:
            return
        factory = self.factory(entry, DEFAULT_PROTOCOL)
        if factory is not None:
            # A mistake elsewhere in the section must not hide a clash of addresses.
            options = server.options.listener() if server.options else factory.Options()
            address = server.values["cc_socket"]
            self.place(
                section, "cc-socket", ListenerSection(DEFAULT_PROTOCOL, factory, address, options)
            )

    def take(self, section: Section, words: Callable[[], Sequence[str]]) -> None:
        """Take one `[listen:NAME]`."""
        if section.name == LISTEN:
            what, hint = f"section [{LISTEN}] has no name", "write [listen:NAME]"
            self.problems.append(section.problem(what, hint))
        given = resolve(section, ListenSection, [one.name for one in section.entries])
        self.problems += given.problems
        if section.entry("address") is None and section.entry("connect") is None:
            help = next(one.help for one in options_of(ListenSection) if one.field == "address")
            self.problems.append(section.problem(f'[{section.name}] lacks "address"', help))
        entry = section.entry("protocol")
        word = given.values.get("protocol")
        factory = self.factory(entry, word) if entry and word is not None else None
        if factory is None or entry is None:
            known = {*_KERNEL}.union(*self.option_names_by_protocol(words).values())
            self.problems += resolve(section, ListenerOptions, known).problems
            return
        self.option_names |= names_of(factory.Options)
        foreign = self.foreign(section, factory.Options, words)
        self.problems += [misplaced(section, entry.text, *one) for one in foreign]
        resolved = resolve(section, factory.Options, (*_KERNEL, *(one.name for one, _ in foreign)))
        self.problems += resolved.problems
        if resolved.options is None:
            return
        address = given.values.get("address") or ""
        dials = getattr(resolved.options, "connect", ())
        if address or dials:
            found = ListenerSection(entry.text, factory, address, resolved.options)
            self.place(section, "address" if address else "connect", found)

    def place(self, section: Section, option: str, found: ListenerSection) -> None:
        """Plan a listener; `option` is the one with its address."""
        lines = {one.name: one.line for one in (*section.inherited, *section.entries)}
        self.plans.append(
            ListenerPlan(
                section.name,
                found.protocol,
                found.factory,
                found.address,
                found.options,
                lines[option],
                self.ini.file,
                lines,
            )  # fmt: skip
        )

    def factory(self, entry: Entry, word: str) -> type[Any] | None:
        """The class of a protocol; a problem at the line that names it if there is none."""
        found = self.find(word)
        if isinstance(found, Problem):
            self.problems.append(replace(found, file=entry.file, line=entry.line))
            return None
        return found

    def option_names_by_protocol(self, words: Callable[[], Sequence[str]]) -> dict[str, set[str]]:
        """The options of each protocol that can be loaded, by its word."""
        found = {word: self.find(word) for word in words()}
        return {
            word: names_of(one.Options)
            for word, one in found.items()
            if not isinstance(one, Problem)
        }

    def foreign(
        self, section: Section, table: type, words: Callable[[], Sequence[str]]
    ) -> list[tuple[Entry, list[str]]]:
        """Options without meaning for the protocol of a section, and the protocols that have them.

        The other protocols are loaded only for a section with an option that its own protocol
        does not have.
        """
        known = {*names_of(table), *_KERNEL, *BUILT_IN, *section.references}
        unknown = [one for one in section.entries if one.name not in known]
        if not unknown:
            return []
        tables = self.option_names_by_protocol(words)
        owners = [(one, [word for word in tables if one.name in tables[word]]) for one in unknown]
        return [(one, protocols) for one, protocols in owners if protocols]


def security_problems(one: ListenerPlan, plan: Plan) -> Iterator[Problem]:
    """What is wrong with the keys of a listener, and a warning if nothing protects it."""
    for fault in (*key_faults(one.options), *tls_faults(one.options)):
        yield one.problem(fault.option, fault.what, fault.hint)
    if not one.address:
        return
    named = getattr(one.options, "curve_secret", "") and not one.options.curve_allow
    if named and not any(allow.kind == "curve" for allow in plan.allow):
        hint = "write curve-allow, or [allow:NAME] sections with curve = KEY"
        yield one.problem("curve-secret", "no key is allowed: nobody can connect", hint)
    if protection(one.address, one.options) == "exposed":
        what = f"everybody who reaches {one.address} can use it"
        yield one.problem("address", what, EXPOSED, warning=True)


def misplaced(section: Section, protocol: str, entry: Entry, owners: Sequence[str]) -> Problem:
    """The problem of an option that belongs to other protocols: a warning, but for `type`, because
    messages would not get the types that the user expects."""
    what = f'"{entry.name}" in [{section.name}] has no meaning with protocol = {protocol}'
    if entry.name == "type":
        return entry.problem(what, "its messages carry their type")
    return entry.problem(what, f"it belongs to {', '.join(owners)}", warning=True)
