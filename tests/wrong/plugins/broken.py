"""A plugin that fails when it is imported."""

from ccproxy import Handler

LIMITS = {"small": 1}


class Broken(Handler):
    """Never gets here."""

    limit = LIMITS["large"]
