"""A handler that starts without a route."""

from dataclasses import dataclass

from ccproxy import Handler, kinds, option


@dataclass(frozen=True, slots=True)
class Options:
    """Where it would listen."""

    port: int = option(kinds.between(1, 65535), help="port to listen on")


class Alone(Handler):
    """Would open a listener of its own."""

    Options = Options
    standalone = True
