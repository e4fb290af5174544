"""Which session a close info is about: exactly, without the source's address, or unacknowledged.

Live sessions are looked at first and tombstones last, since a port may be used again. Reading only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from ccproxy.protocols import ssmmp

from .rows import Session
from .state import Mesh
from .tables import SessionState

_FROM = "source_service_instance_network_address"
_TO = "dest_service_instance_network_address"


def find(mesh: Mesh, message: ssmmp.Message, side: str, instance: int) -> Session | None:
    """The session that `instance` reports the end of; `side` is source or dest."""

    def own(row: Session) -> bool:
        return (row.source if side == "source" else row.dest) == instance

    far = (
        message.number("source_plug_port"),
        message.text(_TO),
        message.number("dest_socket_port"),
    )
    exact = _rows(mesh, ("ends", message.text(_FROM), *far), own)
    loose = _rows(mesh, ("far", *far), own)
    plug = message.text("source_plug_name")
    group = "unacked from" if side == "source" else "unacked to"
    unacked = [
        row
        for row in _rows(mesh, (group, instance, plug), own)
        if row.to_port == far[2] and row.service == message.text("dest_service_name")
    ]
    return (
        _live(exact)
        or _only(_alive(loose))
        or _only(unacked)
        or next(iter(exact), None)
        or _only(loose)
    )


def _rows(mesh: Mesh, group: Hashable, own: Callable[[Session], bool]) -> list[Session]:
    """The rows of a group, newest first."""
    keys = reversed(mesh.store.session_index.of(group))
    return [row for row in map(mesh.store.sessions.__getitem__, keys) if own(row)]


def _alive(rows: Iterable[Session]) -> list[Session]:
    return [one for one in rows if one.state is not SessionState.CLOSED]


def _live(rows: Iterable[Session]) -> Session | None:
    return next(iter(_alive(rows)), None)


def _only(rows: list[Session]) -> Session | None:
    return rows[0] if len(rows) == 1 else None
