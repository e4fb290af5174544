"""A handler with options of many kinds and a check of its own."""

from dataclasses import dataclass

from ccproxy import Handler, LinkOptions, Problem, kinds, option


@dataclass(frozen=True, slots=True)
class Options(LinkOptions):
    """One of each."""

    remote_cc: str = option(kinds.address, help="where the far side listens")
    others: tuple[str, ...] = option(kinds.addresses, default=(), help="further addresses")
    groups: tuple[str, ...] = option(kinds.sections, default=(), help="handler sections")
    jobs: tuple[str, ...] = option(kinds.daemon_sections, default=(), help="daemon sections")
    pick: tuple[str, ...] = option(kinds.patterns, default=(), help="patterns of types")
    words: tuple[str, ...] = option(kinds.names, default=(), help="words")
    mode: str = option(kinds.choice("fast", "safe"), default="fast", help="how it works")
    share: float = option(kinds.real, default=0.5, help="a part of it")
    number: int = option(kinds.integer, default=0, help="any number")
    pass_word: str = option(kinds.choice("open"), default="open", help="a secret", secret=True)

    def __post_init__(self) -> None:
        if self.reconnect > self.reconnect_max:
            raise ValueError("reconnect is longer than reconnect-max")


class Picky(Handler):
    """Does not like number 13."""

    Options = Options

    def check(self, plan):
        one = plan.handler(self.name)
        if self.options.number == 13:
            yield Problem(plan.file, one.line, f"[{self.name}] has the number 13", "take another")
