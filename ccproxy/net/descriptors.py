"""The file descriptors of the process: how many there are, and those that peers may not take.

Links, services that are called, files and the log need some at any time, also while peers ask for
more than there are. The kernel gives each new descriptor the lowest number that is free, so this
number says how many are in use at least; to ask for it takes a few microseconds. It must never
close a descriptor that is not its own.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import NamedTuple

RESERVED = 64
"""Descriptors that are not for peers, besides one for each link; at most half of all."""
RESERVED_PART = 20
"""One in this number is reserved where there are very many."""


class DescriptorUse(NamedTuple):
    """How many descriptors are used at least, may be used, and are not for peers."""

    used: int
    limit: int
    reserved: int


class Descriptors:
    """The descriptors of this process."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit` is for tests; it is the system's otherwise."""
        self.limit = limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.links = 0
        """Links that are open or connect again and again."""

    def raise_limit(self) -> None:
        """Have as many as the system lets us."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    @property
    def reserved(self) -> int:
        """Descriptors that peers may not take."""
        return reserved(self.limit, self.links)

    def scarce(self) -> bool:
        """True if only the reserved ones are left."""
        return next_descriptor() >= self.limit - self.reserved

    def use(self) -> DescriptorUse:
        """What is used now."""
        return DescriptorUse(next_descriptor(), self.limit, self.reserved)


def reserved(limit: int, links: int = 0) -> int:
    """How many of `limit` descriptors are not for peers."""
    return min(limit // 2, max(RESERVED + links, limit // RESERVED_PART))


def next_descriptor() -> int:
    """The number that a new descriptor would get; as many are in use at least."""
    try:
        probe = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.close(probe)
    return probe
