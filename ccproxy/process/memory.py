"""The memory of the process: how much there is, what the C library keeps of what is freed, and what
Python's garbage collector looks at.

Reads and chunks of some 100 KiB are allocated and freed all the time; glibc returns such blocks to
the system on every free, and the page faults of getting them again cost four times as much as
everything else done with a 64 KiB message (112 against 26 us, `contrib/bench/growth.py`).

Python's garbage collector looks now and then at every object there is, and nothing else happens
meanwhile: 12 to 36 ms, nearly all of it for modules, classes and the plan, which stay anyway.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator
from pathlib import Path

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT = 4 * 1024 * 1024
"""Bytes of freed memory that are kept."""
LARGE = 1024 * 1024
"""Bytes of an allocation from which on it is given back at once."""


PART = 4
"""All queues and unfinished messages may take the memory of the machine divided by this."""


def memory_limit(root: Path = Path("/")) -> int:
    """Bytes for queues and unfinished messages when no option says it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(pages, *_cgroup_limits(root), pages) // PART


def _cgroup_limits(root: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, version 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text("ascii", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # no such group here, or "max"
                yield int((folder / name).read_text("ascii"))
            if folder == top:
                break


def keep_some() -> bool:
    """Set both thresholds of malloc for this process; False where there is no mallopt (musl)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT)) and bool(mallopt(M_MMAP_THRESHOLD, LARGE))


def set_aside() -> None:
    """Collect garbage once, and never look again at the objects that there are now."""
    gc.collect()
    gc.freeze()


def keep_from_collector() -> None:
    """Never look again at the objects that there are now, without a collection before. Garbage in
    circles that is among them stays: use it seldom."""
    gc.freeze()
