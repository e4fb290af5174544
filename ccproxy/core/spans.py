"""The functions of `walk`, compiled where possible: import them from here."""

from __future__ import annotations

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

__all__ = ["by_name", "by_topic", "cut", "deal", "parted", "payloads", "shares", "skip", "whole"]
