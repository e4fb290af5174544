"""The hot functions of sodep and their records, compiled if a compiler was at hand.

The plain and the compiled form of `fastpath` and `scan` do the same. Records of one form must never
meet functions of the other, so everything else imports them from here.
"""

from __future__ import annotations

try:
    from ccproxy.protocols.jolie.sodep._fastpath import (
        AnswerBuffer,
        FastPathStats,
        FastRoute,
        InFlight,
        Upstream,
        UpstreamLoad,
        UpstreamPool,
        deliver,
        forward,
    )
except ImportError:
    from ccproxy.protocols.jolie.sodep.fastpath import (
        AnswerBuffer,
        FastPathStats,
        FastRoute,
        InFlight,
        Upstream,
        UpstreamLoad,
        UpstreamPool,
        deliver,
        forward,
    )

try:
    from ccproxy.protocols.jolie.sodep._scan import MessageCutter, scan
except ImportError:
    from ccproxy.protocols.jolie.sodep.scan import MessageCutter, scan

__all__ = [
    "AnswerBuffer", "FastPathStats", "FastRoute", "InFlight",
    "MessageCutter", "Upstream", "UpstreamLoad", "UpstreamPool", "deliver", "forward", "scan",
]  # fmt: skip
