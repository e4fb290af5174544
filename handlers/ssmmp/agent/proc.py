"""What the system tells of processes: when one started, which one has a token, as which user, and
whether one listens on a port.

A process is recognised by its id and the time of its start, because ids are used again. A listener
is known by the inode of its socket: `/proc/PID/net/tcp` lists those of the system, `/proc/PID/fd`
those of one process, see proc(5). This module must never send a signal.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_START = 19
"""Index of the start time behind the name, see proc(5)."""
_LISTENING = "0A"
"""The state of a listener in `/proc/PID/net/tcp`."""


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


def listens(pid: int, port: int) -> bool:
    """True if a process of the session of `pid` listens on a port. True as well if the system shows
    no listener there, which is then in another network namespace, and if the agent has no right to
    see the sockets of the instance."""
    listeners = set(_listeners(pid, port))
    if not listeners:
        return True
    try:
        return any(listeners & set(_sockets(one)) for one in _session(pid))
    except PermissionError:
        return True


def _listeners(pid: int, port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on a port."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / str(pid) / "net" / name).read_text("ascii").splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _session(pid: int) -> Iterator[int]:
    """The processes of the session that an instance was started in, itself first."""
    yield pid
    for folder in _PROC.glob("[0-9]*"):
        other = int(folder.name)
        try:
            if other != pid and os.getsid(other) == pid:
                yield other
        except OSError:
            continue


def _sockets(pid: int) -> Iterator[str]:
    """The inodes of the sockets of a process, none if it has ended; PermissionError if the agent
    may not look at it."""
    try:
        links = list((_PROC / str(pid) / "fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return
    for link in links:
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


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
