"""A handler for the centre only."""

from ccproxy import Handler


class Central(Handler):
    """Must not run on a host."""

    roles = frozenset({"remote"})
