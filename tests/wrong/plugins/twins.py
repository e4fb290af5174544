"""Two handlers in one file, and no hook that says which."""

from ccproxy import Handler


class One(Handler):
    """The first."""


class Two(Handler):
    """The second."""
