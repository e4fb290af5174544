"""What is seen of links and of acknowledged delivery: here, and of links and clients that send
here.

It must never change what it looks at.
"""

from __future__ import annotations

from heapq import nlargest

from ccproxy.core.delivery.far_side import MOST_LINKS, RememberedLink, RememberedLinks
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.server.delivery_values import (
    ClientTotals,
    DeliveryStatus,
    ReceivedStatus,
    RememberedStatus,
)
from ccproxy.server.pages import sink_status
from ccproxy.server.runners import LoopRunner
from ccproxy.server.status import LinkStatus
from ccproxy.spool.counts import SpoolStatus
from ccproxy.spool.store import Spool

MOST_REMEMBERED = 100
"""Links that send here that a status shows: those that are connected, then the latest."""


def link_status(link: OutgoingLink) -> LinkStatus:
    """One link."""
    sink = sink_status(link.sink)
    return LinkStatus(
        link.name, link.address, link.state, link.reason, link.reconnects, sink,
        link.options.required, delivery_status(link, sink.age),
    )  # fmt: skip


def delivery_status(link: OutgoingLink, age: float) -> DeliveryStatus | None:
    """What a link has under way; None if it only sends. `age` is that of the oldest message that
    waits, which is the first to be acknowledged."""
    delivering = link.delivering
    if delivering is None:
        return None
    store, engine = delivering.store, delivering.engine
    return DeliveryStatus(
        mode=link.options.mode,
        acknowledging=not delivering.plain,
        unacknowledged=store.unacknowledged,
        in_flight=engine.in_flight,
        doubts=engine.doubts,
        ends=engine.ends,
        link=store.link.hex(),
        opening=f"{store.opening:016x}",
        server=delivering.server.hex(),
        spool=_spool(store) if isinstance(store, Spool) else None,
        age=age if store.unacknowledged else 0.0,
        acknowledged=engine.confirmed,
        resent=engine.resent,
        duplicates=store.duplicates,
        refused=dict(+store.refused),
    )


def open_accepted(receiver: object) -> tuple[int, float]:
    """Messages whose outcome a handler has not said yet, and the age of the oldest in seconds."""
    if not isinstance(receiver, LoopRunner):
        return 0, 0.0
    return len(receiver.accepted), round(receiver.accepted.age, 3)


def _spool(spool: Spool) -> SpoolStatus:
    intake = spool.intake
    return SpoolStatus(
        str(spool.options.folder), intake.opened, intake.size, intake.limits.size, spool.kept,
        intake.problem, spool.damage, spool.commits, spool.failures,
    )  # fmt: skip


def remembered_status(links: RememberedLinks) -> tuple[RememberedStatus, ...]:
    """Links or clients that send here, at most `MOST_REMEMBERED` of them."""
    found = nlargest(MOST_REMEMBERED, links, key=lambda one: (one.connected, one.seen))
    return tuple(map(_remembered, found))


def received_status(links: RememberedLinks) -> ReceivedStatus:
    """What has come over all links that send here."""
    found = links.totals()
    return ReceivedStatus(len(links), found.gaps, found.duplicates, found.refused)


def client_totals(clients: RememberedLinks) -> ClientTotals:
    """How many clients with receipts there are, also of those that are not shown."""
    return ClientTotals(
        remembered=len(clients),
        limit=MOST_LINKS,
        connected=sum(one.connected for one in clients),
        waiting=sum(not one.tracker.idle for one in clients),
    )


def _remembered(link: RememberedLink) -> RememberedStatus:
    return RememberedStatus(
        link=link.id.hex(),
        listener=link.listener,
        peer=link.peer,
        connected=link.connected,
        last=next(reversed(link.numbers.values()), 0),
        incomplete=link.tracker.incomplete,
        gaps=link.gaps,
        duplicates=link.duplicates,
        replayed=link.replayed,
        refused=link.tracker.refused,
    )
