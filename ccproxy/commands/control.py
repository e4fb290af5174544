"""Where the server of a configuration is asked, for verbs that ask it. It asks nothing itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ccproxy.config.ini import Section, read
from ccproxy.config.problems import Problem
from ccproxy.config.server import CONTROL
from ccproxy.process.control_socket import NONE, chosen, places_to_look
from ccproxy.server.control_client import Place


@dataclass(frozen=True, slots=True)
class ControlPlaces:
    """Places to try in this order; none if the configuration wants none.

    `problems` keep the file from being read, so that its server may have a socket elsewhere.
    `fault` is one of the option itself: there is nothing to try.
    """

    paths: tuple[Place, ...] = ()
    problems: tuple[Problem, ...] = ()
    fault: Problem | None = None


def control_places(file: Path, overrides: Mapping[str, str]) -> ControlPlaces:
    """Where the server of a file listens, or the one socket if `file` is a socket itself.

    Whatever else is wrong with the file does not matter: a running server must be reachable.
    """
    if file.is_socket():
        return ControlPlaces((file,))
    ini, problems = read(str(file), overrides)
    section = ini.section("ccserver") if ini else None
    try:
        option = _option(section)
    except ValueError as error:
        return ControlPlaces(fault=Problem(str(file), 0, f"option control: {error}"))
    if isinstance(option, Problem):
        return ControlPlaces(fault=option)
    if option == NONE:
        return ControlPlaces()
    path = chosen(file, option)
    paths = [path] if path is not None else places_to_look(file, os.geteuid())
    return ControlPlaces(tuple(paths), tuple(problems) if section is None else ())


def _option(section: Section | None) -> str | Problem:
    """The value of the option `control`, or why it cannot be read; ValueError if it is none."""
    entry = section.entry("control") if section is not None else None
    if entry is None:
        return ""
    return entry.fault or str(CONTROL.parse(entry.text))
