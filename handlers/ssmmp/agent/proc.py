"""What the system tells of processes: when one started, which one has a token, as which user.

A process is recognised by its id and the time of its start, because ids are used again. This module
must never send a signal.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_START = 19
"""Index of the start time behind the name, see proc(5)."""


def started(pid: int) -> str:
    """When a process started, in ticks since the system did; empty if there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[_START]


def find(variable: str, value: str) -> int:
    """The group leader whose environment has NAME=value; 0 if there is none that we may look at."""
    wanted = f"{variable}={value}".encode()
    for folder in _PROC.glob("[0-9]*"):
        pid = int(folder.name)
        try:
            if os.getpgid(pid) == pid and wanted in (folder / "environ").read_bytes().split(b"\0"):
                return pid
        except OSError:
            continue
    return 0


def switched(user: str) -> dict[str, Any]:
    """The arguments by which a process is started as a user; none if it is this one already.

    ValueError if there is no such user, PermissionError if only root may do that.
    """
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"there is no user {user!r}") from None
    if found.pw_uid == os.geteuid():
        return {}
    if os.geteuid():
        raise PermissionError(f"only root can start programs as {user!r}")
    groups = os.getgrouplist(user, found.pw_gid)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": groups}


def home(user: str) -> dict[str, str]:
    """The variables that describe a user to its programs."""
    found = pwd.getpwnam(user)
    return {"HOME": found.pw_dir, "USER": user, "LOGNAME": user}
