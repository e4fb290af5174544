"""What a protocol of calls gives to listeners and redirects: its form.

A form makes the sides of connections (`CallerSide`, `ServiceSide`) and the requests that cross
them. A value that a form cannot carry is refused with a fault and never altered, but some spellings
are one value to Jolie, whose rules these are, and one of them may become the other:

    written                            read as                          where
    a long that fits 32 bits           an int of the same number        JSON
    [x] as a member                    x                                sodep, and back to JSON
    {}                                 void: null, at the root {}       the root of http; sodep
    {"$": x}                           x                                the root of http; sodep
    a decimal of more than 17 digits   the nearest double               any
    a vector of one array              [[...]], the original has [...]  JSON
    a child name twice                 the last one                     sodep
    a bare value or array as params    the same in an array of one      jsonrpc
    [null] as result                   void                             jsonrpc
    fields of a query or a form        strings                          http
    a number, true, false              a string, unless typed           http with XML
    an empty string                    void, unless typed               http with XML
    a vector of none                   no child                         http with XML, soap
    raw that is text                   a string, unless typed           http with XML, soap
    the child @Prefix                  nothing                          http with XML, soap
    req, time, hostname, blob_hash     the envelope, no children        CC

It must never open a connection or read a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ccproxy.net.work import Steps
from ccproxy.protocols.jolie.sodep.compiled import Upstream, UpstreamPool
from ccproxy.protocols.jolie.values import Call, CallerSide, Fault, ServiceSide, Value


class Form(Protocol):
    """One protocol towards one location: what listeners and redirects need to speak it."""

    @property
    def name(self) -> str:
        """As the INI calls the protocol."""

    @property
    def pipelines(self) -> bool:
        """True if a connection may have several calls outstanding."""

    @property
    def serial(self) -> bool:
        """True if the service takes one call at a time, on all its connections together."""

    @property
    def apart(self) -> bool:
        """True if each message is to be written by itself, not joined with others."""

    def limit(self, size: int) -> None:
        """The most bytes of a message, or of its body, on connections to come."""

    def prepare(self, value: Value, token: Any = None) -> Steps[Value] | None:
        """Give a large value the form that this protocol writes, before `request` or, to a caller
        whose call had this token, before an answer; Unportable if it cannot carry it. None if it
        needs no preparation."""

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
