"""The options of the handler `ssmmp-manager`: the graph, the state file, and every timer.

It must never hold a value that is not an option.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import kinds, option

from .engine.settings import ManagerSettings


@dataclass(frozen=True, slots=True)
class Options(ManagerSettings):
    """`graph` and `state` are files."""

    graph: str = option(
        kinds.file, help="file with the services and what may connect to what; read again at SIGHUP"
    )
    state: str = option(
        kinds.database, help="SQLite file that keeps what runs and what is open over a restart"
    )
    state_sync: str = option(
        kinds.choice("full", "normal"), default="full",
        help="full: nothing is lost in a power cut; normal: the latest changes may be",
    )  # fmt: skip
    operate_from: tuple[str, ...] = option(
        kinds.names, default=("ccserver",), help="listeners from which mesh messages are obeyed"
    )
