"""The handler `filter`: lets the types through that match its patterns, to another handler.

The decision is made once per type and costs nothing per message. A pattern is compared with the
whole type, not with a prefix of it, and case-sensitive: `*`, `?` and `[...]` are as in a shell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ccproxy import Deliver, Discard, Handler, Verdict, kinds, option


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
            verdict = Deliver((target,), counters=verdict.counters)
        return replace(verdict, counters=(*verdict.counters, "filter.{}", "filter.{}.ok"))

    def passes(self, type: str) -> bool:
        """True unless an exclude pattern matches, or there are include patterns and none does."""
        include, exclude = self.options.include, self.options.exclude
        if any(fnmatchcase(type, pattern) for pattern in exclude):
            return False
        return not include or any(fnmatchcase(type, pattern) for pattern in include)
