"""The whole contract of a courier on one page: it sees the calls of redirects, and their answers.

A courier is a handler whose section the option `couriers` of a redirect names: a class that
inherits from Courier and from Handler. It runs before a call is forwarded and after its answer
came, and may log, authorise, rewrite, or answer instead of the service. Calls of sodep, http,
jsonrpc and CC look alike to it. A value that it leaves alone passes untouched; `call.value.tree()`
reads one, and `Tree(payload, children)` makes one.

A courier must never wait. Its exception is a fault for this caller, is logged under the name of the
courier's section, and affects no other call.
"""

from __future__ import annotations

from ccproxy.protocols.jolie.values import Answer, Call, Fault, Result, Tree


class Courier:
    """Base class: override one method or both."""

    def before(self, call: Call) -> Call | Answer:
        """The call to forward, or the answer to give without forwarding it."""
        return call

    def after(self, call: Call, answer: Answer) -> Answer:
        """The answer to give, a Result or a Fault; `call` is the one that was forwarded."""
        return answer


__all__ = ["Answer", "Call", "Courier", "Fault", "Result", "Tree"]
