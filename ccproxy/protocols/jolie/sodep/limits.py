"""What a sodep message may be at most, and the one error of this package. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.protocols.jolie.values import MAX_NODES


class SodepError(ValueError):
    """Bytes that are no sodep message within the limits; the connection cannot be read on."""


class TooLong(SodepError):
    """A message of more bytes than it may have."""


@dataclass(frozen=True, slots=True)
class SodepLimits:
    """Every limit of a message. A peer that exceeds one is closed as soon as that is seen."""

    message: int = 64 << 20
    """Bytes of a whole message."""
    name: int = 4096
    """Bytes of a resource path, an operation name, a fault name."""
    depth: int = 256
    """Values inside each other."""
    nodes: int = MAX_NODES
    """Values and child names in one message."""
