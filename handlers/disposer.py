"""The handler `disposer`: drops its messages. The switch asks it once for each type."""

from __future__ import annotations

from ccproxy import Discard, Handler


class Disposer(Handler):
    """Drops every message; the ledger counts them as discarded."""

    def decide(self, type: str) -> Discard:
        """Discard every type."""
        return Discard("disposed", counters=("disposed_{}",))
