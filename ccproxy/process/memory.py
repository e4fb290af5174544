"""Tells the C library to keep a little freed memory instead of giving it back at once.

Reads and chunks of some 100 KiB are allocated and freed all the time; glibc returns such blocks to
the system on every free, and the page faults of getting them again cost four times as much as
everything else done with a 64 KiB message (112 against 26 us, `contrib/bench/growth.py`).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT = 4 * 1024 * 1024
"""Bytes of freed memory that are kept."""
LARGE = 1024 * 1024
"""Bytes of an allocation from which on it is given back at once."""


def keep_some() -> bool:
    """Set both thresholds of malloc for this process; False where there is no mallopt (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT)) and bool(mallopt(M_MMAP_THRESHOLD, LARGE))
