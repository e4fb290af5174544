"""Which records an xMsg query asks for: the rules of the Java registrar, over the indexes.

    find       publishers whose topic begins with the one asked for; subscribers whose topic the
               one asked for begins with; both within the domain
    filter     the parts of the topic one by one, the host and the port
    exact      the same topic
    all        everything

Each query gives its records in batches, so that it can be answered in steps. Records that come or
go between two steps may be among them or not; each record is whole. This module must never change
a database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .database import STEP, Database
from .parted_table import MASK, PartedTable
from .records import key_of, prefixes
from .topics import ANY

UNDEFINED = b"undefined"
"""As the host of a filter: any host."""
PREFIXES_AT_ONCE = 64
"""Prefixes of a topic that are looked up in one step."""
Batches = Iterator[Sequence[int]]
"""The numbers of records, dead ones among them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a query finds: not begun yet, and about how many records have to be looked at."""

    database: Database
    batches: Batches
    size: int

    def frames(self) -> Iterator[list[bytes]]:
        """The records, in steps."""
        return map(self.database.frames, self.batches)

    @property
    def bytes(self) -> int:
        """About how many bytes they have."""
        return self.size * self.database.bytes // max(1, self.database.held)


def every(database: Database) -> Selection:
    """All records."""
    return _selection(database, database.all())


def exact(database: Database, asked: Any) -> Selection:
    """Those with this very topic."""
    return _selection(database, database.topics.get(key_of(asked)))


def publishers(database: Database, asked: Any) -> Selection:
    """Those in the domain whose topic begins with the one asked for."""
    start, end = database.starting(key_of(asked))
    return Selection(database, _ordered(database, start, end), end - start)


def subscribers(database: Database, asked: Any) -> Selection:
    """Those in the domain whose topic the one asked for begins with."""
    key = key_of(asked)
    return Selection(database, _beginnings(database, key), len(key) * STEP // PREFIXES_AT_ONCE)


def filtered(database: Database, asked: Any) -> Selection:
    """Those that agree with everything that is asked for: the rarest of it is gone through, and
    the rest is looked up."""
    parts = (asked.domain, asked.subject, asked.type)
    indexes = (database.domains, database.subjects, database.types)
    wanted = [index.get(part) for index, part in zip(indexes, parts, strict=True) if part != ANY]
    port = 0
    if asked.host != UNDEFINED:
        wanted.append(database.hosts.get(asked.host))
        port = asked.port
    if not wanted:
        return every(database)
    rarest, *others = sorted(wanted, key=len)
    return Selection(database, _agreeing(database, rarest, others, port), len(rarest))


Rule = Callable[[Database, Any], Selection]
RULES: dict[str, dict[str, Rule]] = {
    "Publisher": {"find": publishers, "filter": filtered, "exact": exact},
    "Subscriber": {"find": subscribers, "filter": filtered, "exact": exact},
}
"""By the two parts of an action, such as `find` and `Publisher`."""


def nothing(database: Database) -> Selection:
    """No records."""
    return _selection(database, ())


def _selection(database: Database, found: Collection[int]) -> Selection:
    return Selection(database, _parts(found), len(found))


def _parts(found: Collection[int]) -> Batches:
    """Records that may change meanwhile, in batches."""
    now: list[int] = []
    for part in found.parts if isinstance(found, PartedTable) else (found,):
        now += part
        for start in range(0, len(now) - STEP + 1, STEP):
            yield now[start : start + STEP]
        now = now[len(now) // STEP * STEP :]
    yield now


def _ordered(database: Database, start: int, end: int) -> Batches:
    """The records of the topics between two places."""
    batch: list[int] = []
    for key in database.keys(start, end):
        found = database.topics.get(key)
        if len(found) > STEP:
            yield from _parts(found)
            continue
        batch += found
        if len(batch) >= STEP:
            yield batch
            batch = []
    yield batch


def _beginnings(database: Database, key: bytes) -> Batches:
    """The records whose topics a topic begins with."""
    for number, one in enumerate(prefixes(key), 1):
        yield from _parts(database.topics.get(one))
        if number % PREFIXES_AT_ONCE == 0:
            yield ()


def _agreeing(
    database: Database, found: Collection[int], others: Sequence[Collection[int]], port: int
) -> Batches:
    """Those that are in all others as well, and have this port if it is not 0."""
    for batch in _parts(found):
        for one in others:
            batch = _common(batch, one)
        if port:
            batch = [number for number in batch if database.port(number) == port]
        yield batch


def _common(batch: Sequence[int], others: Collection[int]) -> list[int]:
    """Those of a batch that are among the others."""
    if isinstance(others, PartedTable):
        parts = others.parts
        return [number for number in batch if number in parts[number & MASK]]
    return [number for number in batch if number in others]
