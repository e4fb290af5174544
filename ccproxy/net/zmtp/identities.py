"""Identities of peers: new ones, and the peer of each one in use, over all listeners of a server.

It must never give one identity to two peers.
"""

from __future__ import annotations

import itertools
import random
from typing import Protocol

from ccproxy.core.hop_marks import MARK_SIZE
from ccproxy.wire.zmtp import generated_identity
from ccproxy.wire.zmtp.mechanism import Credential


class Holder(Protocol):
    """A peer that holds an identity."""

    @property
    def credential(self) -> Credential | None:
        """What it has proven."""

    def close(self, reason: str) -> None:
        """Close the peer, so that its identity is free."""


def new_mark() -> bytes:
    """A mark of this server that no other one has; see `core.hop_marks`."""
    return bytes((random.randint(1, 255),)) + random.randbytes(MARK_SIZE - 1)


class Identities:
    """Makes identities that no peer has had (5 bytes, the first is zero); knows used ones."""

    def __init__(self, first: int, mark: bytes = b"") -> None:
        """`mark` begins the identities that links give themselves, if it is not empty."""
        self.mark = mark
        self.holders: dict[bytes, Holder] = {}
        self._numbers = itertools.count(first)

    def next(self) -> bytes:
        """The next identity."""
        return generated_identity(next(self._numbers) & 0xFFFFFFFF)

    def of_link(self) -> bytes:
        """What a link calls itself on its next connection: another name each time, because the far
        side may not know yet that the last one is gone."""
        return self.mark + self.next() if self.mark else b""
