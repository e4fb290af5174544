"""What of the acknowledged messages stays in the file for a replay.

It must never forget anything itself.
"""

from __future__ import annotations

import time

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.work import FileOptions

PRUNE_INTERVAL = 5.0
"""Seconds between two looks for what is older or more than is to be kept."""


class Keeping:
    """Counts what is kept, as far as anything is."""

    def __init__(self) -> None:
        self.kept = 0
        """Bytes, about."""
        self._looked_at = 0.0

    def count(self, file: SpoolFile, options: FileOptions) -> None:
        """Look again how much there is."""
        self.kept = file.size_to(file.state.released) if options.keeps else 0

    def prune(self, file: SpoolFile, released: int, options: FileOptions) -> int:
        """Up to which row what is acknowledged is to be forgotten; 0: nothing."""
        if not options.keeps:
            return released if released > file.state.released else 0
        most, oldest, now = options.keep_size, options.keep_time, time.monotonic()
        too_much = most and self.kept > most * 1.1
        if now - self._looked_at < PRUNE_INTERVAL and not too_much:
            return 0
        self._looked_at = now
        kept = file.size_to(released)
        to = file.behind_size(kept - most, released) - 1 if most and kept > most else 0
        if oldest:
            to = max(to, file.first_since(time.time() - oldest, released) - 1)
        return to
