"""Identities of peers: new ones, and who has which, over all listeners of a server.

It must never give one identity to two peers.
"""

from __future__ import annotations

import itertools
from typing import Protocol

from ccproxy.wire.zmtp import generated_identity


class Holder(Protocol):
    """A peer that has an identity of its own choice."""

    def close(self, reason: str) -> None:
        """Give it up."""


class Identities:
    """Makes identities no peer has had (5 bytes, the first one zero), and knows who has which."""

    def __init__(self, first: int) -> None:
        self.holders: dict[bytes, Holder] = {}
        self._numbers = itertools.count(first)

    def next(self) -> bytes:
        """The next identity."""
        return generated_identity(next(self._numbers) & 0xFFFFFFFF)
