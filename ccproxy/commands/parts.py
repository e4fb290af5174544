"""One part of a status as lines: what `ccserver status FILE PART` prints. It must never ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ccproxy.commands.columns import columns
from ccproxy.server.status import (
    HandlerStatus,
    LinkStatus,
    ListenerStatus,
    PeerStatus,
    RouteStatus,
    SinkStatus,
    TypeStatus,
)


def listener_lines(listeners: Iterable[ListenerStatus]) -> Iterator[str]:
    """Listeners, with what they have counted besides their peers."""
    rows = [
        {
            "section": one.section, "protocol": one.protocol, "address": one.address,
            "security": one.security if one.listening else "lost", "peers": one.peers,
            "silent": one.silent, "calls": one.calls, "counts": dict(one.counts),
        }
        for one in listeners
    ]  # fmt: skip
    names = (
        "section", "protocol", "address", "security", "peers", "silent", "calls", "counts",
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
    names = ("section", "address", "state", "sent", "waiting", "dropped", "reconnects", "reason")
    return columns(names, rows)


def sink_row(sink: SinkStatus) -> dict[str, Any]:
    """The counts of one sink."""
    return {
        "sent": sink.sent, "waiting": sink.waiting, "bytes": sink.bytes,
        "dropped": dict(sink.dropped),
    }  # fmt: skip


def peer_lines(peers: Iterable[PeerStatus]) -> Iterator[str]:
    """Peers: behind the name of its listener stands each peer's address."""
    rows = [
        {
            "listener": one.listener, "peer": one.sink.name.partition(" ")[2], "name": one.name,
            "proof": one.proof, **sink_row(one.sink),
        }
        for one in peers
    ]  # fmt: skip
    return columns(
        ("listener", "peer", "name", "proof", "sent", "waiting", "bytes", "dropped"), rows
    )


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
            "counted": dict(one.counters), "says": one.error or dict(one.facts),
        }
        for one in handlers
    ]  # fmt: skip
    return columns(("section", "handler", "faults", "counted", "says"), rows)
