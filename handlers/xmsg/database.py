"""One database of a registrar: records and the indexes that find them. Pure.

A record is a number here, and everything else is found by that in flat tables of bytes and numbers:
100,000 objects would stop the loop for 270 ms whenever Python looks for garbage.

Nothing here takes long, however many records there are. What is removed is dead at once, all of it
together; `sweep` takes it out of the indexes later, in steps. `frames` passes over the dead. This
module must never open a socket or read a clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .parted_table import MASK, PartedTable
from .records import TopicRecord, body_of, owner, parse, parts_of, record_of

MAX_SAME = 1000
"""Records with the same topic, name and host; further ones are refused, because all of them are
removed at once."""
STEP = 400
"""Records that are looked at in one step, about 0.2 ms."""
SWEEP_STEP = 40
"""Records that are swept in one step."""
LARGE = 500
"""Records with one property, from which on they are kept in parts."""
Several = dict[int, None] | PartedTable[int, None]


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed together: some records, or a host and its records up to a number."""

    numbers: Collection[int]
    host: bytes = b""
    up_to: int = 0


class Postings:
    """Numbers of records by one of their properties. Most properties are those of one record only,
    which then stands for itself: a dict for each would double what a record costs."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: PartedTable[bytes, int | Several] = PartedTable()

    def __contains__(self, key: bytes) -> bool:
        return key in self._found

    def get(self, key: bytes) -> Collection[int]:
        """The records with this property."""
        found = self._found.get(key)
        if found is None:
            return ()
        return (found,) if isinstance(found, int) else found

    def add(self, key: bytes, number: int) -> None:
        """Add one."""
        found = self._found.setdefault(key, number)
        if isinstance(found, int):
            if found != number:
                self._found[key] = {found: None, number: None}
            return
        found[number] = None
        if isinstance(found, dict) and len(found) == LARGE:
            self._found[key] = PartedTable(found.items())

    def discard(self, key: bytes, number: int) -> None:
        """Take one out."""
        found = self._found.get(key)
        if found == number:
            del self._found[key]
        elif found is not None and not isinstance(found, int):
            if number in found:
                del found[number]
            if not found:
                del self._found[key]

    def take(self, key: bytes) -> Collection[int]:
        """Take all out."""
        found = self.get(key)
        self._found.pop(key)
        return found


class Database:
    """The publishers, or the subscribers."""

    def __init__(self) -> None:
        self.count = 0
        """Live records."""
        self.bytes = 0
        """Of all records, the dead ones included."""
        self.topics = Postings()
        self.domains = Postings()
        self.subjects = Postings()
        self.types = Postings()
        self.hosts = Postings()
        """Of live records only."""
        self._owners = Postings()
        self._numbers: PartedTable[bytes, int] = PartedTable()
        self._frames: PartedTable[int, bytes] = PartedTable()
        self._host_of: PartedTable[int, bytes] = PartedTable()
        self._port_of: PartedTable[int, int] = PartedTable()
        self._order: list[bytes] = []
        """The keys of all topics, sorted."""
        self._stale = 0
        """Those of them that no record has any more."""
        self._dead: dict[int, None] = {}
        self._dead_hosts: dict[bytes, int] = {}
        """The records of these hosts up to this number are dead."""
        self._buried: deque[Removal] = deque()

    @property
    def held(self) -> int:
        """Records, the dead ones included."""
        return len(self._frames)

    def same(self, frame: bytes) -> int | None:
        """The live record that is equal in every field."""
        number = self._numbers.get(frame)
        return number if number is not None and self.frames((number,)) else None

    def owned(self, key: bytes, name: bytes, host: bytes) -> list[int]:
        """The live records of a topic with this name and host, `MAX_SAME` at most."""
        found = self._owners.get(owner(key, name, host))
        return [number for number in found if self.frames((number,))]

    def full(self, record: TopicRecord) -> bool:
        """True if there are too many of its topic, name and host."""
        return len(self._owners.get(record.owner)) >= MAX_SAME

    def all(self) -> Collection[int]:
        """All records, the dead ones included."""
        return self._frames

    def frames(self, numbers: Collection[int]) -> list[bytes]:
        """The frames of those that are alive."""
        parts, dead, hosts = self._frames.parts, self._dead, self._dead_hosts
        found = [parts[one & MASK].get(one) for one in numbers]
        if not dead and not hosts:
            return [frame for frame in found if frame is not None]
        return [
            frame
            for one, frame in zip(numbers, found, strict=True)
            if frame is not None and one not in dead
            if not hosts or one > hosts.get(self._host_of[one], 0)
        ]

    def port(self, number: int) -> int:
        """The port of a record; 0 of one that was swept."""
        return self._port_of.get(number) or 0

    def starting(self, key: bytes) -> tuple[int, int]:
        """Where the topics of a domain that begin so are, for `keys`."""
        begin = key.rstrip(b"\xff")
        behind = begin[:-1] + bytes((begin[-1] + 1,))  # the next text that does not begin so
        return bisect_left(self._order, key), bisect_left(self._order, behind)

    def keys(self, start: int, end: int) -> list[bytes]:
        """The topics between two places, in their order, and stale ones among them."""
        return self._order[start:end]

    def add(self, record: TopicRecord, number: int) -> None:
        """Put in a record of which there is no live equal. `number` is larger than all before."""
        self._numbers[record.frame] = number
        self._frames[number] = record.frame
        self._host_of[number] = record.host
        self._port_of[number] = record.port
        self.hosts.add(record.host, number)
        for postings, key in self._places(record):
            postings.add(key, number)
        self._insert(record.key)
        self.count += 1
        self.bytes += len(record.frame)

    def remove(self, numbers: Collection[int]) -> Removal:
        """Let live records die, `MAX_SAME` at most."""
        for one in numbers:
            self._dead[one] = None
            self.hosts.discard(self._host_of[one], one)
        self.count -= len(numbers)
        return Removal(numbers)

    def remove_host(self, host: bytes, last: int) -> Removal:
        """Let all records of a host die at once; `last` is the number of the latest record."""
        numbers = self.hosts.take(host)
        if numbers:
            self._dead_hosts[host] = last
        self.count -= len(numbers)
        return Removal(numbers, host, last)

    def bury(self, removal: Removal) -> None:
        """What was removed is needed no more: `sweep` may take it."""
        self._buried.append(removal)

    def sweep(self) -> Iterator[Sequence[int]]:
        """Take what is buried out of the indexes, `SWEEP_STEP` records in a step: their numbers."""
        while self._buried:
            removal = self._buried.popleft()
            numbers = iter(removal.numbers)
            while part := list(islice(numbers, SWEEP_STEP)):
                for number in part:
                    self._forget(number)
                yield part
            if self._dead_hosts.get(removal.host) == removal.up_to:
                del self._dead_hosts[removal.host]
        if self._stale > len(self._order) // 2:
            yield from self._compact()

    def _places(self, record: TopicRecord) -> Iterator[tuple[Postings, bytes]]:
        """Where a record stands until it is swept, and under which key."""
        parts = parts_of(record.key)
        yield self.topics, record.key
        yield self._owners, record.owner
        yield self.domains, parts.domain
        yield self.subjects, parts.subject
        yield self.types, parts.type

    def _forget(self, number: int) -> None:
        frame = self._frames[number]
        if self._numbers.get(frame) == number:
            del self._numbers[frame]
        del self._frames[number], self._host_of[number], self._port_of[number]
        self._dead.pop(number, None)
        record = record_of(parse(body_of(frame)))
        for postings, key in self._places(record):
            postings.discard(key, number)
        if record.key not in self.topics:
            self._stale += 1
        self.bytes -= len(frame)

    def _insert(self, key: bytes) -> None:
        """Put a topic into the order, unless it is there."""
        place = bisect_left(self._order, key)
        if place == len(self._order) or self._order[place] != key:
            self._order.insert(place, key)
        elif len(self.topics.get(key)) == 1:
            self._stale -= 1

    def _compact(self) -> Iterator[Sequence[int]]:
        """Take stale topics out of the order, from its end so that no place moves."""
        for start in range(len(self._order) // STEP * STEP, -1, -STEP):
            part = self._order[start : start + STEP]
            kept = [one for one in part if one in self.topics]
            self._order[start : start + STEP] = kept
            self._stale -= len(part) - len(kept)
            yield ()
