"""Which session a close info is about: exactly, without the source's address, or unacknowledged.

Sessions that are not closed are looked at first, closed ones last, since a port may be used again.
It reads the state and must never change any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from ccproxy.protocols import ssmmp

from .rows import SessionRow
from .store import Store
from .tables import SessionState

_FROM = "source_service_instance_network_address"
_TO = "dest_service_instance_network_address"


def find(store: Store, message: ssmmp.SsmmpMessage, side: str, instance: int) -> SessionRow | None:
    """The session that `instance` reports the end of; `side` is source or dest."""

    def own(row: SessionRow) -> bool:
        return (row.source if side == "source" else row.dest) == instance

    far = (
        message.number("source_plug_port"),
        message.text(_TO),
        message.number("dest_socket_port"),
    )
    exact = _rows(store, ("ends", message.text(_FROM), *far), own)
    loose = _rows(store, ("far", *far), own)
    plug = message.text("source_plug_name")
    group = "unacked from" if side == "source" else "unacked to"
    unacked = [
        row
        for row in _rows(store, (group, instance, plug), own)
        if row.to_port == far[2] and row.service == message.text("dest_service_name")
    ]
    return (
        next(iter(_not_closed(exact)), None)
        or _only(_not_closed(loose))
        or _only(unacked)
        or next(iter(exact), None)
        or _only(loose)
    )


def _rows(store: Store, group: Hashable, own: Callable[[SessionRow], bool]) -> list[SessionRow]:
    """The rows of a group, newest first."""
    keys = reversed(store.session_index.of(group))
    return [row for row in map(store.sessions.__getitem__, keys) if own(row)]


def _not_closed(rows: Iterable[SessionRow]) -> list[SessionRow]:
    return [one for one in rows if one.state is not SessionState.CLOSED]


def _only(rows: list[SessionRow]) -> SessionRow | None:
    return rows[0] if len(rows) == 1 else None
