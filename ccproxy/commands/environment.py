"""What only the system can say of a plan: files, folders, databases and ports that it names.

Each test leaves everything as it was: a port is bound for a moment, a database is opened and left,
no file is made. It must never start a handler.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ccproxy.commands.unserved import unserved_spools
from ccproxy.config.address import Address
from ccproxy.config.options import options_of
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.net.descriptors import reserved
from ccproxy.net.sockets import bind

MANY = "see ulimit -Hn, LimitNOFILE of systemd"
SPOOLS = "give it to a section (spool = ...), which sends what it holds, or see ccserver spool"
RUNS = "is the server running already? See ccserver status"


def environment_problems(plan: Plan) -> Iterator[Problem]:
    """Everything that would stop the start, or writing later, on this system and for this user."""
    sections = [("ccserver", plan.server, 0)]
    sections += [(one.section, one.options, one.line) for one in plan.handlers]
    for section, options, line in sections:
        for name, what, hint in _file_faults(options):
            yield Problem(plan.file, line, f'"{name}" in [{section}]: {what}', hint)
    for one in plan.listeners:
        if fault := _listener_fault(one):
            what = f"[{one.section}] cannot listen on {one.address}: {fault}"
            yield Problem(plan.file, one.line, what, RUNS)
    yield from _descriptor_faults(plan)
    folders = (getattr(one.options, "spool", "") for one in plan.handlers)
    for what in unserved_spools(filter(None, folders)):
        yield Problem(plan.file, 0, what, SPOOLS, warning=True)


def _descriptor_faults(plan: Plan) -> Iterator[Problem]:
    """Listeners with room for more peers than this system gives file descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = hard - reserved(hard)
    for one in plan.listeners:
        if one.options.max_peers > room:
            what = f"max-peers = {one.options.max_peers}, but there are file descriptors for {room}"
            yield one.problem("max-peers", what, MANY, warning=True)


def _file_faults(options: Any) -> Iterator[tuple[str, str, str]]:
    """Option, fault and hint for each file of a section that cannot be used."""
    for option in options_of(type(options)):
        text = getattr(options, option.field)
        if not option.kind.opens or not text:
            continue
        path = Path(text)
        fault, hint = _write_fault(path), ""
        if not fault and option.kind.opens == "database" and path.exists():
            fault, hint = _database_fault(path), RUNS
        if fault:
            yield option.name, fault, hint


def _write_fault(path: Path) -> str:
    """Why a file cannot be made or replaced; empty if it can."""
    if path.is_char_device():  # such as /dev/null, which takes a log without being replaced
        return "" if os.access(path, os.W_OK) else f"no permission to write {path}"
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"no permission to write in {folder}"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"{path} is there and is no regular file"
    return "" if os.access(path, os.W_OK) else f"no permission to write {path}"


def _database_fault(path: Path) -> str:
    """Why a database that is there cannot be written; empty if it can."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("SELECT count(*) FROM sqlite_master").fetchall()
            file.execute("ROLLBACK")
    except sqlite3.Error as error:
        return f"{path}: {error}"
    return ""


def _listener_fault(plan: ListenerPlan) -> str:
    """Why an address cannot be listened on now; empty if it can."""
    if not plan.address:
        return ""
    address = Address.parse(str(plan.address))
    if address.scheme == "ipc":
        # Binding would replace a file that a killed server left; the start may do that, not we.
        return _socket_fault(Path(address.file)) if address.file else ""
    try:
        bind(address, 1).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _socket_fault(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"no permission to write in {path.parent}"
    if path.exists() and not path.is_socket():
        return f"{path} is there and is no socket"
    return ""
