"""The hot functions and their records, compiled if they can be had so; see `express`."""

from __future__ import annotations

try:
    from ccproxy.protocols.jolie.sodep._fastpath import (
        Account,
        Lane,
        Load,
        Passed,
        Returns,
        Trunk,
        Trunks,
        deliver,
        forward,
    )
except ImportError:
    from ccproxy.protocols.jolie.sodep.fastpath import (
        Account,
        Lane,
        Load,
        Passed,
        Returns,
        Trunk,
        Trunks,
        deliver,
        forward,
    )

__all__ = [
    "Account", "Lane", "Load", "Passed", "Returns", "Trunk", "Trunks", "deliver",
    "forward",
]  # fmt: skip
