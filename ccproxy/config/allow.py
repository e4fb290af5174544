"""The sections `[allow:NAME]`: what the owner of a key or the user of a password may do.

A peer without such a section may do everything that its listener offers. This module must never
look at a listener: which keys one takes is said there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ccproxy.config import kinds
from ccproxy.config.ini import Ini, Section
from ccproxy.config.options import Kind, option
from ccproxy.config.plan import AllowPlan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import resolve
from ccproxy.config.security import KEY
from ccproxy.core.rights import Rights

ALLOW = "allow:"
"""The first part of the names of these sections."""


@dataclass(frozen=True, slots=True)
class AllowOptions:
    """Whose section it is, and what is allowed; without `send` and `subscribe`, all of them are."""

    curve: str = option(KEY, default="", help="public key of the peer")
    plain: str = option(kinds.text, default="", help="name of the user, as in plain-users")
    tls: str = option(
        kinds.text, default="",
        help="name in the client certificate of the peer, see tls-client-ca: its common name, else "
        "its first alternative name",
    )  # fmt: skip
    send: tuple[str, ...] | None = option(
        kinds.patterns, default=None,
        help="patterns of the types that it may send; empty = none; others are refused",
    )  # fmt: skip
    subscribe: tuple[str, ...] | None = option(
        kinds.list_of(Kind("prefix", str)), default=None,
        help="prefixes that it may subscribe to; empty = none",
    )  # fmt: skip
    operate: bool = option(
        kinds.flag, default=False,
        help="yes: it may send commands of operators as well, which are messages such as "
        "relocate.NAME and mesh.VERB; without it they are refused, whatever send says",
    )  # fmt: skip

    @property
    def peers(self) -> list[tuple[str, str]]:
        """The peers that it is about, one if it is right: kind of proof, and key, user or name."""
        proofs = ("curve", self.curve), ("plain", self.plain), ("tls", self.tls)
        return [(kind, value) for kind, value in proofs if value]


class AllowSections:
    """Collects the sections in the order of the file; `plans` are those without mistakes."""

    def __init__(self, ini: Ini) -> None:
        self.plans: list[AllowPlan] = []
        self.problems: list[Problem] = []
        for section in ini.sections:
            if section.name.startswith(ALLOW):
                self.take(section)

    def take(self, section: Section) -> None:
        """Take one section."""
        resolved = resolve(section, AllowOptions)
        self.problems += resolved.problems
        options: AllowOptions | None = resolved.options
        if options is None:
            return
        name = section.name.removeprefix(ALLOW)
        found = list(self.mistakes(section, name, options))
        self.problems += found
        if not found:
            rights = Rights(name, options.send, options.subscribe, options.operate)
            [(kind, value)] = options.peers
            self.plans.append(AllowPlan(section.name, kind, value, rights, section.line))

    def mistakes(self, section: Section, name: str, options: AllowOptions) -> Iterator[Problem]:
        """What no single option shows."""
        if not name or name != "".join(name.split()):
            yield section.problem(f"[{section.name}] has no name", "write [allow:NAME]")
        if len(options.peers) != 1:
            what = f"[{section.name}] needs one of curve, plain and tls"
            yield section.problem(what, "curve = KEY, plain = USER, or tls = NAME")
        for other in self.plans:
            if (other.kind, other.value) in options.peers:
                what = f"[{section.name}] is about the same peer as [{other.section}]"
                yield section.problem(what, f"see line {other.line}")
