"""The handler `filter`: lets the types through that match its patterns, to another handler.

The decision is made once per type and costs nothing per message. A pattern is compared with the
whole type, not with a prefix of it, and case-sensitive: `*`, `?` and `[...]` are as in a shell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ccproxy import Deliver, Discard, Handler, Plan, Verdict, kinds, option


class Filter(Handler):
    """Returns the verdict of another handler for each type that passes."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The patterns, and the handler that gets the messages that pass."""

        forward_to: str = option(kinds.section, help="handler section that gets what passes")
        include: tuple[str, ...] = option(
            kinds.patterns, default=(), help="patterns of types that pass; empty = all"
        )
        exclude: tuple[str, ...] = option(
            kinds.patterns, default=(), help="patterns of types that do not pass; wins over include"
        )

    def decide(self, type: str) -> Verdict:
        """Ask the target; a Deliver without handlers means the target, not this handler."""
        if not self.passes(type):
            return Discard("filtered", counters=("filter.{}", "filter.{}.dropped"))
        target = self.ctx.handler(self.options.forward_to)
        verdict = target.decide(type)
        if verdict == Deliver():
            verdict = replace(verdict, handlers=(target,))
        if isinstance(verdict, Deliver):
            verdict = replace(verdict, crashes=(*verdict.crashes, "filter.{}"))
        return replace(verdict, counters=(*verdict.counters, "filter.{}", "filter.{}.ok"))

    def explain(self, type: str, plan: Plan) -> str:
        """The pattern that decides."""
        excluding, including = self.deciding(type)
        if excluding:
            return f"does not pass: exclude {excluding}"
        if not self.passes(type):
            return "does not pass: no include pattern matches"
        why = f"include {including}" if including else "no exclude pattern matches"
        return f"passes to {self.options.forward_to}: {why}"

    def passes(self, type: str) -> bool:
        """True unless an exclude pattern matches, or there are include patterns and none does."""
        excluding, including = self.deciding(type)
        return not excluding and bool(including or not self.options.include)

    def deciding(self, type: str) -> tuple[str, str]:
        """The first exclude and the first include pattern that match; "" for none."""
        exclude, include = (
            next((one for one in patterns if fnmatchcase(type, one)), "")
            for patterns in (self.options.exclude, self.options.include)
        )
        return exclude, include
