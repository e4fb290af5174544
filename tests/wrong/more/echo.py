"""Takes the name of a built-in handler."""

from ccproxy import Handler


class Echo(Handler):
    """Hides nothing."""
