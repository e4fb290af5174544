"""The handler `disposer`: drops its messages. The switch asks it once for each type."""

from __future__ import annotations

from ccproxy import Discard, Handler, Plan


class Disposer(Handler):
    """Drops every message; the ledger counts them as discarded."""

    def explain(self, type: str, plan: Plan) -> str:
        """The same for every type."""
        return "dropped on purpose"

    def decide(self, type: str) -> Discard:
        """Discard every type."""
        return Discard("disposed", counters=("disposed_{}",))
