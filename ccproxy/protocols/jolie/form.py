"""What a protocol of calls gives to listeners and redirects: its form.

A form makes the sides of connections (`CallerSide`, `ServiceSide`) and the requests that cross
them. It must never open a connection or read a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ccproxy.protocols.jolie.sodep.compiled import Upstream, UpstreamPool
from ccproxy.protocols.jolie.values import Call, CallerSide, Fault, ServiceSide


class Form(Protocol):
    """One protocol towards one location: what listeners and redirects need to speak it."""

    @property
    def name(self) -> str:
        """As the INI calls the protocol."""

    @property
    def pipelines(self) -> bool:
        """True if a connection may have several calls outstanding."""

    def limit(self, size: int) -> None:
        """The most bytes of a message, or of its body, on connections to come."""

    def caller(self) -> CallerSide:
        """For one accepted connection."""

    def abandon(self, callers: Iterable[CallerSide], fault: Fault) -> None:
        """Answer the calls of these callers that went to a service past their listener."""

    def request(self, call: Call, id: int) -> Any:
        """What `ServiceSide.send` takes; Unportable if the protocol cannot carry the call."""

    def service(self, upstream: Upstream | None = None) -> ServiceSide:
        """For one connection to a service; `upstream` carries its calls of the fast path."""

    def upstreams(self, timeout: float, clock: Callable[[], float]) -> UpstreamPool | None:
        """Where connections to a service are made known to the fast path; None without one."""
