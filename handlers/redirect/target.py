"""Where calls go and how: location, protocol, and the limits of the connections there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie.form import Form
from ccproxy.protocols.jolie.style import CallStyle

from .location import Location

Mode = Literal["pipelined", "pooled", "single"]
"""Many calls on a connection; one at a time; one, and then the connection is closed."""

MODES: tuple[str, ...] = get_args(Mode)
"""Every mode."""


LIFETIMES: Mapping[str, float] = {
    word: 4.5 for word in ("http", "https", "jsonrpc", "jsonrpcs", "soap", "soaps")
}
"""Protocol -> seconds from its opening in which a connection is given calls, if the INI is silent.

A Jolie service closes a connection behind the first answer that it gives later than 5 s after the
opening, and does not say so: a call that is sent before the end is seen would be lost.
"""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How the connections to a service are used. A Jolie service with keepAlive false needs
    `single`; http and jsonrpc cannot be pipelined and are pooled instead."""

    mode: Mode = "pipelined"
    connections: int = 1
    """Open at the same time, at most; 0: as many as suit the protocol."""
    most: int = 0
    """The same for shared connections to a service that takes long, see `ConnectionPool.grow`."""
    timeout: float = 30.0
    """Seconds from the call to its answer; a Jolie client gives up after 60."""
    idle: float = 0.0
    """Seconds until an unused connection is closed; 0: never."""
    lifetime: float | None = None
    """Seconds from its opening in which a connection is given calls; 0: no limit; None: as
    `LIFETIMES` says."""
    calls: int = 10_000
    """Without answer yet, at most."""
    bytes: int = 64 << 20
    """Of requests without answer yet, at most; a single one may have more."""
    answer: int = 64 << 20
    """Bytes of an answer, at most; of HTTP, of its body."""


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """One place that a port may point to; equal if all they have is."""

    location: Location
    protocol: MessageProtocol
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    style: CallStyle = field(default_factory=CallStyle)

    @property
    def lifetime(self) -> float:
        """Seconds from its opening in which a connection is given calls; infinity: no limit."""
        given = self.limits.lifetime
        seconds = LIFETIMES.get(self.protocol.word, 0.0) if given is None else given
        return seconds or float("inf")

    def form(self) -> Form:
        """The form of calls to this place; ValueError if its protocol calls no services."""
        made: Any = self.protocol.styled_service(self.location, self.limits.answer, self.style)
        if made is None:
            raise ValueError(f"no service can be called in protocol {self.protocol.word}")
        form: Form = made
        return form
