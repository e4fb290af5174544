"""How calls get on the fast path: both ends of it are asked, the caller's and the service's.

It must never let a call pass the switch by if the switch would do more with it than hand it to the
one handler that asks.
"""

from __future__ import annotations

from ccproxy.core.message import Message
from ccproxy.protocols.jolie.caller import Caller
from ccproxy.protocols.jolie.sodep.compiled import FastPathStats, UpstreamPool
from ccproxy.protocols.jolie.sodep.sides import SodepCaller


def shorten(message: Message, path: str, upstreams: UpstreamPool) -> None:
    """Calls like the one being handled go straight to `upstreams` from now on, as `path` there.

    Nothing happens if its caller does not speak sodep, or if its listener would have to see such
    calls: because they go to more than one place, or may wait longer for the service than there.
    """
    caller = message.origin
    if not isinstance(caller, Caller) or not isinstance(caller.side, SodepCaller):
        return
    flow = caller.only_flow(message)
    if flow is not None and upstreams.timeout <= caller.timeout:
        stats = FastPathStats(flow, caller.ledger)
        caller.side.form.add_route(message.payload[0], path, upstreams, stats)
