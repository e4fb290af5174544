"""A handler whose options are not declared with option()."""

from dataclasses import dataclass

from ccproxy import Handler


@dataclass(frozen=True, slots=True)
class Options:
    """A plain field says nothing about its kind."""

    port: int = 0


class Plain(Handler):
    """Cannot be configured."""

    Options = Options
