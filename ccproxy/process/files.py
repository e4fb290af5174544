"""Opens the files that the process writes: its log and its pid file.

It must never create a folder: whose it would be, only the operator knows.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


def opened(path: Path, flags: int, mode: int) -> int:
    """The descriptor of a file; if it cannot be made, the OSError names the folder that lacks."""
    try:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    except FileNotFoundError:
        if path.parent.is_dir() or not flags & os.O_CREAT:
            raise
        raise OSError(errno.ENOENT, f"there is no folder {path.parent}") from None
