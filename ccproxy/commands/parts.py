"""One part of a status as lines: what `ccserver status FILE PART` prints. It must never ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ccproxy.commands.columns import columns
from ccproxy.server.delivery_values import RememberedStatus
from ccproxy.server.status import (
    HandlerStatus,
    LinkStatus,
    ListenerStatus,
    PeerStatus,
    RouteStatus,
    SinkStatus,
    Status,
    TypeStatus,
)

QUEUE = ("waiting", "oldest", "fill")
"""Columns about a queue: messages in it, the age of the oldest, the part of the limit in use."""

ID_DIGITS = 12
"""Digits of an id that are shown: enough to tell two of them apart."""


def listener_lines(listeners: Iterable[ListenerStatus]) -> Iterator[str]:
    """Listeners, with what they have counted besides their peers."""
    rows = [
        {
            "section": one.section, "protocol": one.protocol, "address": one.address,
            "security": one.security if one.listening else "not open", "peers": one.peers,
            "silent": one.silent, "received": one.received, "calls": one.calls,
            "counts": dict(one.counts),
        }
        for one in listeners
    ]  # fmt: skip
    names = (
        "section", "protocol", "address", "security", "peers", "silent", "received", "calls",
        "counts",
    )  # fmt: skip
    return columns(names, rows)


def link_lines(links: Iterable[LinkStatus]) -> Iterator[str]:
    """Links, with their state and the reason for it."""
    rows = [
        {
            "section": one.section, "address": one.address, "state": one.state,
            **sink_row(one.sink), "reconnects": one.reconnects, "reason": one.reason,
        }
        for one in links
    ]  # fmt: skip
    names = (
        "section", "address", "state", "sent", *QUEUE, "dropped", "reconnects", "reason",
    )  # fmt: skip
    return columns(names, rows)


def delivery_lines(links: Iterable[LinkStatus]) -> Iterator[str]:
    """What links with acknowledgements have under way."""
    rows = [
        {
            "section": one.section, "unacknowledged": one.delivery.unacknowledged,
            "bytes": one.delivery.in_flight, "doubts": one.delivery.doubts,
            "oldest": f"{one.delivery.age:.1f} s" if one.delivery.unacknowledged else "",
            "acknowledged": one.delivery.acknowledged, "resent": one.delivery.resent,
            "refused": dict(one.delivery.refused),
            "delivery": one.delivery.mode if one.delivery.acknowledging else "sent plainly",
            "link": one.delivery.link[:ID_DIGITS], "far-side": one.delivery.server[:ID_DIGITS],
        }
        for one in links if one.delivery
    ]  # fmt: skip
    names = (
        "section", "delivery", "unacknowledged", "bytes", "oldest", "acknowledged", "refused",
        "resent", "doubts", "link", "far-side",
    )  # fmt: skip
    return columns(names, rows)


def spool_lines(links: Iterable[LinkStatus]) -> Iterator[str]:
    """Spools, and what is wrong with them."""
    found = [(one.section, one.delivery.spool) for one in links if one.delivery]
    rows = [
        {
            "section": section, "bytes": spool.bytes, "kept": spool.kept,
            "fill": f"{100 * spool.bytes / spool.limit:.0f}%", "folder": spool.folder,
            "state": spool.problem or spool.damage or ("open" if spool.opened else "opening"),
            "commits": spool.commits, "failures": spool.failures,
        }
        for section, spool in found if spool
    ]  # fmt: skip
    names = ("section", "bytes", "fill", "kept", "commits", "failures", "folder", "state")
    return columns(names, rows)


def spool_folders(links: Iterable[LinkStatus]) -> list[str]:
    """The folders of all spools."""
    return [one.delivery.spool.folder for one in links if one.delivery and one.delivery.spool]


def remembered_lines(links: Iterable[RememberedStatus], kind: str) -> Iterator[str]:
    """Links that send here with acknowledgements, or clients with receipts, as `kind` says."""
    rows = [
        {
            kind: one.link[:ID_DIGITS], "listener": one.listener, "peer": one.peer,
            "state": "up" if one.connected else "away", "last": one.last,
            "incomplete": one.incomplete, "gaps": one.gaps, "duplicates": one.duplicates,
            "replayed": one.replayed, "refused": one.refused,
        }
        for one in links
    ]  # fmt: skip
    names = (
        kind, "listener", "peer", "state", "last", "incomplete", "gaps", "duplicates",
        "replayed", "refused",
    )  # fmt: skip
    return columns(names, rows)


def client_lines(status: Status) -> Iterator[str]:
    """How many clients with receipts there are, and those of them that are shown."""
    found = status.client_totals
    if found.remembered:
        yield (
            f"{found.remembered} remembered, at most {found.limit}; {found.connected} connected, "
            f"{found.waiting} with messages that have no receipt yet"
        )
    yield from remembered_lines(status.clients, "client")


def sink_row(sink: SinkStatus) -> dict[str, Any]:
    """The counts of one sink, with what `queue_row` has."""
    return {
        "sent": sink.sent, "waiting": sink.waiting, "bytes": sink.bytes,
        "dropped": dict(sink.dropped), **queue_row(sink.age, sink.fill, sink.waiting > 0),
    }  # fmt: skip


def queue_row(age: float, fill: float, waits: bool) -> dict[str, Any]:
    """How long the oldest message waits, and the part of the limit that is in use."""
    if not waits:
        return {}
    return {"oldest": f"{age:.1f} s", "fill": f"{fill:.0%}"}


def peer_lines(peers: Iterable[PeerStatus]) -> Iterator[str]:
    """Peers: behind the name of its listener stands each peer's address."""
    rows = [
        {
            "listener": one.listener, "peer": one.sink.name.partition(" ")[2], "name": one.name,
            "proof": one.proof, **sink_row(one.sink),
        }
        for one in peers
    ]  # fmt: skip
    return columns(("listener", "peer", "name", "proof", "sent", "bytes", *QUEUE, "dropped"), rows)


def route_lines(routes: Iterable[RouteStatus]) -> Iterator[str]:
    """Routes as the server has them."""
    rows = [{"prefix": one.prefix, "sections": list(one.sections)} for one in routes]
    return columns(("prefix", "sections"), rows)


def type_lines(types: Iterable[TypeStatus]) -> Iterator[str]:
    """Message types, with where they go, or what becomes of them."""
    rows = [
        {"type": one.type, "messages": one.messages, "bytes": one.bytes, "to": list(one.to)}
        for one in types
    ]
    return columns(("messages", "bytes", "type", "to"), rows)


def handler_lines(handlers: Iterable[HandlerStatus]) -> Iterator[str]:
    """Every handler, with what it says of itself and which of its calls went wrong."""
    rows = [
        {
            "section": one.section, "handler": one.handler, "faults": dict(one.faults),
            "counted": dict(one.counters), "accepted": one.accepted or "",
            "oldest": f"{one.accepted_age:.1f} s" if one.accepted else "",
            "says": one.error or one.brief,
        }
        for one in handlers
    ]  # fmt: skip
    names = ("section", "handler", "faults", "counted", "accepted", "oldest", "says")
    return columns(names, rows)
