"""What several verbs share: exit statuses, reading a configuration, reporting its problems."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ccproxy.config import kinds
from ccproxy.config.address import ANY, Address
from ccproxy.config.build import build
from ccproxy.config.ini import read
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.plugins import Plugins
from ccproxy.wire.text import OperatorText

LOG = logging.getLogger("CCServer")

FAILED = 1
WRONG_USAGE = 2
BAD_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h."""


def load(
    file: Path, overrides: Mapping[str, str] | None = None, plugins: Plugins | None = None
) -> tuple[Plan | None, list[Problem]]:
    """The plan of a file, None if it has mistakes, and all problems, warnings included.

    `overrides` are options of `[ccserver]` that come from the command line.
    """
    return build(str(file), overrides or {}, plugins or Plugins())


def route_prefixes(file: str) -> list[str]:
    """The prefixes of the routes of a configuration, for a shell to offer; none if it cannot be
    read."""
    ini, _ = read(file, {}) if file else (None, [])
    section = ini.section("routes") if ini else None
    return [one.name for one in section.entries if one.name != "*"] if section else []


def handler_sections(file: str) -> list[str]:
    """The sections of handlers of a configuration, for a shell to offer; none if it cannot be
    read."""
    ini, _ = read(file, {}) if file else (None, [])
    return [one.name for one in ini.sections if one.name.startswith("h:")] if ini else []


def pidfile_of(file: Path, overrides: Mapping[str, str]) -> str | None:
    """The pid file of a configuration, empty if it names none.

    None if the option cannot be read; the reason is printed. Other mistakes in the file do not
    matter, because it must be possible to stop a running server.
    """
    ini, problems = read(str(file), overrides)
    section = ini.section("ccserver") if ini else None
    if section is None:
        print_problems(problems)
        return None
    entry = section.entry("pidfile")
    if entry is None:
        return ""
    if entry.fault:
        print_problems([entry.fault])
        return None
    return str(kinds.file.parse(entry.text))


def print_problems(problems: Iterable[Problem]) -> None:
    """Print all problems to stderr, in the order of the file."""
    for problem in sorted(problems):
        print(problem, file=sys.stderr)


def log_problems(problems: Iterable[Problem]) -> None:
    """Log the warnings about a configuration that the server starts with anyway."""
    for problem in sorted(problems):
        LOG.warning("%s", OperatorText(problem))


def size(count: int) -> str:
    """A number of bytes with the largest unit that divides it."""
    for unit, bytes in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count and count % bytes == 0:
            return f"{count // bytes} {unit}"
    return f"{count} B"


def several(number: int, noun: str) -> str:
    """A number with its noun: 1 link, 2 links."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fail(text: str, status: int = FAILED) -> int:
    """Print an error to stderr; return the exit status."""
    print(f"ccserver: {text}", file=sys.stderr)
    return status


def reachable(address: str) -> str:
    """The address a client on this host connects to when a server listens on `address`."""
    parsed = Address.parse(address)
    if parsed.host not in ANY:
        return str(parsed)
    return str(replace(parsed, host="::1" if parsed.host == "::" else "127.0.0.1"))
