"""A Status for those who may not know names: of peers, of message types, and in texts of handlers.

Sections and numbers stay. It must never let a text through that a peer or a handler has made.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy.server.status import (
    HandlerStatus,
    LinkStatus,
    ListenerStatus,
    SinksStatus,
    SinkStatus,
    Status,
)

HIDDEN = "(hidden)"


def without_names(status: Status) -> Status:
    """A status without names and addresses of peers, message types, and texts of handlers, in which
    there may be some. Sections and numbers stay."""
    return replace(
        status,
        process=replace(status.process, file=HIDDEN),
        listeners=tuple(map(_listener, status.listeners)),
        links=tuple(map(_link, status.links)),
        handlers=tuple(map(_handler, status.handlers)),
        routes=(),
        sinks=_sinks(status.sinks),
        remembered=tuple(replace(one, peer=HIDDEN) for one in status.remembered),
        clients=tuple(replace(one, peer=HIDDEN) for one in status.clients),
    )


def _listener(one: ListenerStatus) -> ListenerStatus:
    return replace(one, address=HIDDEN)


def _link(one: LinkStatus) -> LinkStatus:
    delivery = one.delivery
    if delivery is not None and delivery.spool is not None:
        problem = HIDDEN if delivery.spool.problem else ""
        damage = HIDDEN if delivery.spool.damage else ""
        spool = replace(delivery.spool, folder=HIDDEN, problem=problem, damage=damage)
        delivery = replace(delivery, spool=spool)
    return replace(one, address=HIDDEN, reason="", sink=_sink(one.sink), delivery=delivery)


def _handler(one: HandlerStatus) -> HandlerStatus:
    return replace(one, facts={}, counters={}, error="")


def _sinks(found: SinksStatus) -> SinksStatus:
    return replace(found, worst=tuple(map(_sink, found.worst)))


def _sink(one: SinkStatus) -> SinkStatus:
    """Behind the section stands the address of a peer, and the name that it has proven."""
    return replace(one, name=one.name.partition(" ")[0])
