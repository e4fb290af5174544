"""Records of clients that are gone. Pure: the time is an argument.

A record belongs to the connection that registered it last. When that is closed, the record waits
for another connection from the same address, which takes it over: a client whose connection was cut
comes back so, and does not register again. If none comes in time, the record is due for removal.

    connection open ---- closed ----> waiting ---- another from its address ----> that one's
                                         |
                                         +---- for too long ----> due

This module must never remove a record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from .parted_table import PartedTable


@dataclass(eq=False, slots=True)
class ClientRecords:
    """Records that one connection has registered: their numbers, and the kind of each."""

    address: str
    kinds: dict[int, str] = field(default_factory=dict)
    since: float = 0.0
    """When the connection was closed."""


class Expiry:
    """All connections, and the records of those that are gone."""

    def __init__(self, after: float) -> None:
        """`after` is in seconds; 0 = never."""
        self.after = after
        self._open: dict[bytes, list[ClientRecords]] = {}
        self._waiting: dict[str, list[ClientRecords]] = {}
        self._holders: PartedTable[int, ClientRecords] = PartedTable()

    @property
    def waiting(self) -> int:
        """Connections whose records wait."""
        return sum(map(len, self._waiting.values()))

    def joined(self, client: bytes, address: str) -> None:
        """A connection; records that wait for one from this address are its own now."""
        self._open[client] = [ClientRecords(address), *self._waiting.pop(address, [])]

    def left(self, client: bytes, now: float) -> None:
        """A connection is closed."""
        for one in self._open.pop(client, []):
            if one.kinds:
                one.since = now
                self._waiting.setdefault(one.address, []).append(one)

    def registered(self, client: bytes, kind: str, number: int) -> None:
        """A connection has registered a record, perhaps one that others had registered."""
        if self.after and client in self._open:
            self._give(self._open[client][0], kind, number)

    def restored(self, address: str, kind: str, number: int, now: float) -> None:
        """A record was kept over a restart: it waits for a connection from this address."""
        if not self.after:
            return
        if address not in self._waiting:
            self._waiting[address] = [ClientRecords(address, since=now)]
        self._give(self._waiting[address][0], kind, number)

    def forget(self, number: int) -> None:
        """A record is gone."""
        holder = self._holders.pop(number)
        if holder is not None:
            del holder.kinds[number]

    def due(self, now: float, most: int) -> dict[str, list[int]]:
        """At most so many records of one connection that is gone for too long, by their kind; they
        are asked for once."""
        for address, several in self._waiting.items():
            for one in several:
                if now - one.since < self.after:
                    continue
                found = [(number, one.kinds[number]) for number in islice(one.kinds, most)]
                for number, _ in found:
                    self.forget(number)
                if not one.kinds:
                    self._drop(address, one)
                return _by_kind(found)
        return {}

    def _drop(self, address: str, one: ClientRecords) -> None:
        """Forget a connection that has no records any more."""
        self._waiting[address].remove(one)
        if not self._waiting[address]:
            del self._waiting[address]

    def _give(self, holder: ClientRecords, kind: str, number: int) -> None:
        self.forget(number)
        holder.kinds[number] = kind
        self._holders[number] = holder


def _by_kind(found: list[tuple[int, str]]) -> dict[str, list[int]]:
    kinds: dict[str, list[int]] = {}
    for number, kind in found:
        kinds.setdefault(kind, []).append(number)
    return kinds
