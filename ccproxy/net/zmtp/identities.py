"""Identities of peers: new ones, and the peer of each one in use, over all listeners of a server.

It must never give one identity to two peers.
"""

from __future__ import annotations

import itertools
from typing import Protocol

from ccproxy.wire.zmtp import generated_identity
from ccproxy.wire.zmtp.mechanism import Credential


class Holder(Protocol):
    """A peer that holds an identity."""

    @property
    def credential(self) -> Credential | None:
        """What it has proven."""

    def close(self, reason: str) -> None:
        """Close the peer, so that its identity is free."""


class Identities:
    """Makes identities that no peer has had (5 bytes, the first is zero); knows used ones."""

    def __init__(self, first: int) -> None:
        self.holders: dict[bytes, Holder] = {}
        self._numbers = itertools.count(first)

    def next(self) -> bytes:
        """The next identity."""
        return generated_identity(next(self._numbers) & 0xFFFFFFFF)
