"""The functions of `walk`, `addresses` and `heads`, compiled where possible: import them from here.

It must never hold code of its own.
"""

from __future__ import annotations

try:
    from ccproxy.core._addresses import by_address
except ImportError:
    from ccproxy.core.addresses import by_address

try:
    from ccproxy.core._heads import counted, unmarked
except ImportError:
    from ccproxy.core.heads import counted, unmarked

try:
    from ccproxy.core._walk import (
        by_name,
        by_topic,
        cut,
        deal,
        parted,
        payloads,
        shares,
        skip,
        whole,
    )
except ImportError:
    from ccproxy.core.walk import (
        by_name,
        by_topic,
        cut,
        deal,
        parted,
        payloads,
        shares,
        skip,
        whole,
    )

__all__ = [
    "by_address", "by_name", "by_topic", "counted", "cut", "deal", "parted", "payloads", "shares",
    "skip", "unmarked", "whole",
]  # fmt: skip
