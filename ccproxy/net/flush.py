"""One write per destination and turn of the loop: what has bytes to send is flushed at its end.

After a turn in which something was sent the loop can go on without sleeping for a short time
(`busy-poll`), so that an answer which comes soon is read at once. The classes stand in `hot`. It
must never know what is sent, or to which peer.
"""

from __future__ import annotations

from ccproxy.net.hot import PART, TURN, Flushable

try:
    from ccproxy.net._hot import FlushQueue, HotFlush
except ImportError:
    from ccproxy.net.hot import FlushQueue, HotFlush

__all__ = ["PART", "TURN", "FlushQueue", "Flushable", "HotFlush"]
