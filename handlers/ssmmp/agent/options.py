"""The options of the handler `ssmmp-agent`: its Manager, its node, its programs, every timer.

This module must never look whether a path or an address exists: `config_check` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import kinds, option
from ccproxy.protocols import ssmmp

from .engine.settings import AgentSettings

PLAIN = "ssmmp://"
"""In front of the address of a Manager that is spoken to in plain text."""


def _manager(text: str) -> str:
    plain = text.strip().startswith(PLAIN)
    parsed: str = kinds.address.parse(text.replace(PLAIN, "tcp://", 1) if plain else text)
    return parsed.replace("tcp://", PLAIN, 1) if plain else parsed


def _node_address(text: str) -> str:
    found = ssmmp.FIELDS["agent_network_address"].read(text.strip())
    assert isinstance(found, str)
    return found


MANAGER = kinds.checked("address of a Manager", _manager)
NODE = kinds.checked("IP address", _node_address)


@dataclass(frozen=True, slots=True)
class Options(AgentSettings):
    """`repository`, `state` and `output` are paths."""

    manager: str = option(
        MANAGER, help="tcp://HOST:PORT of a ccserver with the Manager, or ssmmp://HOST:PORT"
    )
    address: str = option(NODE, help="IP address of this node, as other nodes reach it")
    node: str = option(
        kinds.text, default="", help="name of this node; needed if there are two on one address"
    )
    repository: str = option(
        kinds.file, help="file with the programs this node can run; read again at SIGHUP"
    )
    state: str = option(
        kinds.database, default="",
        help="SQLite file by which running instances are known again; empty: they are not",
    )  # fmt: skip
    instances: str = option(
        kinds.address, default="tcp://127.0.0.1:55556",
        help="where instances reach this agent: the address of a listener with protocol = ssmmp",
    )  # fmt: skip
    output: str = option(
        kinds.file, default="",
        help="folder for what programs print, NAME-ID.log; empty: as the agent's own output",
    )  # fmt: skip
    manager_silence: float = option(
        kinds.duration("s"), default=15.0,
        help="a Manager silent for this long is registered with anew",
    )  # fmt: skip
