"""Keeps Python code from changing anything outside of this process, as far as Python can see it.

Python tells audit hooks about every file that is opened, every connection and every process. What
would write, connect, listen or start something raises PermissionError instead. It must never be
taken for a protection against hostile code: native code passes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
REFUSED = {
    "socket.bind": "opens no listener",
    "socket.connect": "opens no connection",
    "socket.sendto": "sends nothing",
    "socket.sendmsg": "sends nothing",
    "socket.getaddrinfo": "looks up no name",
    "socket.gethostbyname": "looks up no name",
    "sqlite3.connect": "opens no database",
    "subprocess.Popen": "starts no process",
    "os.exec": "starts no process",
    "os.fork": "starts no process",
    "os.forkpty": "starts no process",
    "os.posix_spawn": "starts no process",
    "os.spawn": "starts no process",
    "os.system": "starts no process",
    "os.kill": "sends no signal",
    "os.chmod": "changes no file",
    "os.chown": "changes no file",
    "os.link": "makes no file",
    "os.mkdir": "makes no folder",
    "os.remove": "removes no file",
    "os.rename": "renames no file",
    "os.rmdir": "removes no folder",
    "os.symlink": "makes no file",
    "os.truncate": "changes no file",
    "os.utime": "changes no file",
}
"""Audit events, and what their refusal says."""


class _Guard:
    """The audit hook of this process: Python cannot take one back, so it is made once."""

    def __init__(self) -> None:
        self.who = ""
        """What must have no effects; empty: everything is allowed."""
        self.installed = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.who:
            return
        why = REFUSED.get(event)
        if event == "open" and writes(*args):
            why = "writes no file"
        if event == "sqlite3.connect" and args[0] == ":memory:":
            why = None
        if why is not None:
            raise PermissionError(f"{self.who} {why}")


_GUARD = _Guard()


def writes(path: object, mode: str | None, flags: int) -> bool:
    """True if a file is opened so that it can be changed; the null device never is."""
    return bool(flags & WRITING) and path != os.devnull


@contextmanager
def no_effects(who: str) -> Iterator[None]:
    """While this lasts, what would change something outside raises PermissionError, in all threads.

    The text begins with `who`.
    """
    if not _GUARD.installed:
        sys.addaudithook(_GUARD)
        _GUARD.installed = True
    before, _GUARD.who = _GUARD.who, who
    try:
        yield
    finally:
        _GUARD.who = before
