"""A plugin that needs a module nobody has."""

import ccproxy_no_such_module  # noqa: F401
