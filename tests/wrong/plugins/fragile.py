"""A handler whose check fails."""

from ccproxy import Handler


class Fragile(Handler):
    """Looks for what is not there."""

    def check(self, plan):
        raise LookupError("no such thing")
