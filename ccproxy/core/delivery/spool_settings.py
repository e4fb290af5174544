"""How the messages of a link wait on a disk, as its options say it.

It must never touch a disk.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """One spool: its folder, how much may wait in it, and what of that is on the disk when."""

    folder: str
    size: int
    policy: str
    """What happens when so many bytes wait: block, drop-new or drop-old."""
    full: bool
    """True: a message is safe when it is on the disk; False: when the system has it."""
    keep_size: int
    keep_time: float
    """How much of what is acknowledged stays for a replay, in bytes or in seconds; 0 = none."""
