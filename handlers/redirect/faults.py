"""Every failure between a caller and a service, as the fault the caller gets.

    failure              original                        here
    unknown resource     connection closed               IOException, connection kept
    unknown operation    IOException                     the same
    refused              IOException with stack trace    IOException
    closed, reset        no answer                       IOException at once
    cut off, garbage     IOException or no answer        IOException at once
    silent               no answer                       IOException after the timeout
    not portable         lost or altered                 IOException

Texts only; the name is IOException always, because that is what Jolie programs catch. A fault that
an operator has to know of is `Unanswered`: the others are mistakes or wishes of callers. It must
never carry a stack trace or a service's bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from ccproxy.protocols.jolie.values import Fault, io_fault

NAMED = 10
"""Resources that a fault names."""
CALLER_GONE = "The caller is gone"
STOPS = "The redirector stops"


class Unanswered(Fault):
    """The service has not answered a call, or not been asked at all: it is away, or has too much
    to do."""

    __slots__ = ()


def unknown_resource(path: str, known: Collection[str] = ()) -> Fault:
    """No service has this resource path; the first ones of those that are known are named."""
    some = ", ".join(islice(known, NAMED)) or "none"
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return io_fault(f"Unknown resource: {path:.200}; there are {some}{more}")


def invalid_operation(operation: str) -> Fault:
    """No service offers this operation on the root path; the text is the original's."""
    return io_fault(f"Invalid operation: {operation:.200}")


def refused(reason: str) -> Fault:
    """No connection to the service: refused, no such host, no route."""
    return _unanswered(reason or "Connection refused")


def lost(reason: str) -> Fault:
    """The connection ended before the answer: closed, reset, cut off or garbage."""
    if reason in (CALLER_GONE, STOPS):
        return io_fault(reason)
    return _unanswered(reason or "Connection closed by the service before its answer")


def silent(seconds: float) -> Fault:
    """No answer in time; the call may have been executed."""
    return _unanswered(f"No answer from the service within {seconds:g} s")


def unreachable(seconds: float) -> Fault:
    """No connection to send the call on in time; it was not executed."""
    return _unanswered(f"No connection to the service within {seconds:g} s")


def full(limit: str) -> Fault:
    """A limit of calls in flight or waiting is reached; the call was not executed."""
    return _unanswered(f"Too many calls: {limit}")


def not_portable(protocol: str, reason: str) -> Fault:
    """The service's protocol has no form for the call; it was not executed."""
    return io_fault(f"{protocol} cannot carry the call: {reason}")


def _unanswered(text: str) -> Unanswered:
    return Unanswered(*io_fault(text))
