"""What an instance is told when it is started: its name, its id, its ports, its plugs, its agent.

The agent tells it by environment variables. This module must never read the environment by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ccproxy.protocols import ssmmp

AGENT, NAME, ID = "SSMMP_AGENT", "SSMMP_SERVICE_NAME", "SSMMP_INSTANCE_ID"
ADDRESS, SOCKETS, PLUGS = "SSMMP_ADDRESS", "SSMMP_SOCKETS", "SSMMP_PLUGS"
TOKEN = "SSMMP_TOKEN"
VARIABLES = (AGENT, NAME, ID, ADDRESS, SOCKETS, PLUGS, TOKEN)
"""The environment of an instance, as the protocol names it."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The identity of this instance; `agent` is `tcp://HOST:PORT` or `ipc://PATH`."""

    agent: str
    service: str
    instance: int
    address: str
    sockets: Mapping[str, int] = field(default_factory=dict)
    plugs: Mapping[str, ssmmp.PlugEntry] = field(default_factory=dict)
    token: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Configuration:
        """Read the variables of the protocol; ValueError if one is missing or wrong."""
        for name in (AGENT, NAME, ID, ADDRESS):
            if not environment.get(name):
                raise ValueError(f"{name} is not set: is this process started by an agent?")
        try:
            return cls(
                agent=environment[AGENT],
                service=environment[NAME],
                instance=_number(environment[ID]),
                address=environment[ADDRESS],
                sockets={one.name: one.port for one in _read(SOCKETS, environment)},
                plugs={one.name: one for one in _read(PLUGS, environment)},
                token=environment.get(TOKEN, ""),
            )
        except ValueError as error:
            raise ValueError(f"the environment of this instance: {error}") from None

    def plug(self, name: str, socket: str = "") -> ssmmp.PlugEntry:
        """The edge of a plug; ValueError if there is none, or if neither the caller nor the agent
        says its socket."""
        found = self.plugs.get(name)
        if found is None:
            known = ", ".join(self.plugs) or "none"
            raise ValueError(f"no plug {name!r}; there are {known}")
        if not (socket or found.socket):
            raise ValueError(f"plug {name}: say the socket of {found.service} that it fits")
        return found._replace(socket=socket or found.socket)

    def port(self, socket: str) -> int:
        """Where a socket listens; ValueError if there is none of this name."""
        if socket not in self.sockets:
            known = ", ".join(self.sockets) or "none"
            raise ValueError(f"no socket {socket!r}; there are {known}")
        return self.sockets[socket]


def _read(name: str, environment: Mapping[str, str]) -> tuple[Any, ...]:
    kind = "socket_configuration" if name == SOCKETS else "plug_configuration"
    value = ssmmp.FIELDS[kind].read(environment.get(name, ""))
    assert isinstance(value, tuple)
    return value


def _number(text: str) -> int:
    value = ssmmp.FIELDS["service_instance_id"].read(text)
    assert isinstance(value, int)
    return value
