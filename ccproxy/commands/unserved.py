"""Spools that no section has any more, and that still hold messages.

A section that was renamed or removed leaves its folder where it was. Only folders beside a spool
that is configured are looked at. This module must never change a spool.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from ccproxy.spool.lock import LOCK_NAME
from ccproxy.spool.schema import FILE_NAME

MOST_FOLDERS = 1000
"""Of one folder of spools."""


def unserved_spools(folders: Iterable[str]) -> Iterator[str]:
    """What is to be said of each; `folders` are those of sections, whole paths."""
    served = {Path(one).resolve() for one in folders if Path(one).is_absolute()}
    for parent in sorted({one.parent for one in served}):
        try:
            found = sorted(islice(parent.glob(f"*/{FILE_NAME}"), MOST_FOLDERS))
        except OSError as error:
            yield f"{parent} cannot be read: {error.strerror or error}"
            continue
        for file in found:
            if file.parent.resolve() not in served and (what := _held(file)):
                yield f"{file.parent} {what}, and no section has this spool"


def _held(file: Path) -> str:
    """What a spool holds; empty if that is nothing, or if a process has it."""
    try:
        if _in_use(file.with_name(LOCK_NAME)):
            return ""
        uri = f"{file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.0)) as db:
            [[messages]] = db.execute("SELECT messages FROM state").fetchall()
    except (sqlite3.Error, OSError, ValueError) as error:
        return f"cannot be read ({error})"
    return f"holds {messages} messages" if messages else ""


def _in_use(lock: Path) -> bool:
    """True if a server, or a client, has the folder."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
