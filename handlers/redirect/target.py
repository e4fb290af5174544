"""Where calls go and how: location, protocol, and the limits of the connections there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ccproxy.protocols.jolie.form import Form
from ccproxy.protocols.jolie.http import Http, HttpLimits
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.sodep import Sodep, SodepLimits

from .location import Location

Mode = Literal["pipelined", "pooled", "single"]
"""Many calls on a connection; one at a time; one, and then the connection is closed."""

MODES: tuple[str, ...] = get_args(Mode)
"""Every mode."""

FORMS: Mapping[str, Callable[[Location, int], Form]] = {
    "sodep": lambda _, most: Sodep(SodepLimits(message=most)),
    "http": lambda where, most: Http(where.authority, where.path, HttpLimits(body=most)),
    "jsonrpc": lambda where, most: JsonRpc(where.authority, where.path, HttpLimits(body=most)),
}
"""Every protocol a service may speak, given its place and the bytes of its longest answer."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How the connections to a service are used. A Jolie service with keepAlive false needs
    `single`; http and jsonrpc cannot be pipelined and are pooled instead."""

    mode: Mode = "pipelined"
    connections: int = 1
    """Open at the same time, at most."""
    most: int = 0
    """The same for shared connections to a service that takes long, see `ConnectionPool.grow`."""
    timeout: float = 30.0
    """Seconds from the call to its answer; a Jolie client gives up after 60."""
    idle: float = 0.0
    """Seconds until an unused connection is closed; 0: never."""
    calls: int = 10_000
    """Without answer yet, at most."""
    bytes: int = 64 << 20
    """Of requests without answer yet, at most; a single one may have more."""
    answer: int = 64 << 20
    """Bytes of an answer, at most; of HTTP, of its body."""


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """One place a port may point to. Two of the same location, protocol and shape are equal."""

    location: Location
    protocol: str = "sodep"
    shape: ConnectionLimits = field(default_factory=ConnectionLimits)

    def form(self) -> Form:
        """The codec; KeyError for a protocol that is not in FORMS."""
        return FORMS[self.protocol](self.location, self.shape.answer)
