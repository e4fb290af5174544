"""The thirteen actions of an xMsg registrar, as a function of requests: frames in, an outcome out.

    registerPublisher  registerSubscriber             add a record
    removePublisherRegistration  removeSubscriberRegistration
                                                      remove those of a topic, name and host
    removeAllRegistration                             remove all of a host
    findPublisher  filterPublisher  exactPublisher  allPublisher, and the same of subscribers

Whatever a request is, there is an outcome; what the request does is done as a whole or not at all.
A removal has to be `settle`d once nothing needs what was removed. This module must never open a
socket, read a clock or write a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .database import Database, Removal
from .matching import RULES, Selection, every, nothing
from .records import TopicRecord, key_of, parse, record_of
from .topics import ANY

KINDS = ("Publisher", "Subscriber")
UNKNOWN = "unknown registration request"
NOT_THREE = "invalid registrar server request format"
REMOVE_ALL = "removeAll"
REGISTRATION = "Registration"
ALIASES = {"findSubscribers": "findSubscriber"}
"""What clients of xMsg 2.1 say."""


@dataclass(frozen=True, slots=True)
class RegistrarLimits:
    """How many records there may be, and bytes of one request and of all records together."""

    records: int = 200_000
    record: int = 16 * 1024
    bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Altered:
    """A request that may change something has done so."""

    kind: str = ""
    registered: int = 0
    """The number of the record that was registered, whether it was there already or not."""
    added: TopicRecord | None = None
    removals: Mapping[str, Removal] = field(default_factory=dict)
    """By kind."""

    @property
    def nothing(self) -> bool:
        """True if everything is as before."""
        return self.added is None and not self.removals


@dataclass(frozen=True, slots=True)
class RegistrarRefusal:
    """The status of an answer that is an error."""

    status: str


Outcome = Selection | Altered | RegistrarRefusal


class Registry:
    """Publishers and subscribers, and what may be done with them."""

    def __init__(self, limits: RegistrarLimits) -> None:
        self.limits = limits
        self.databases = {kind: Database() for kind in KINDS}
        self._number = 0
        """Of the last record."""

    @property
    def count(self) -> int:
        """Live records."""
        return sum(one.count for one in self.databases.values())

    def request(self, action: str, data: bytes) -> Outcome:
        """What becomes of a request, of which it needs two frames."""
        kind, word = named(action)
        if not word:
            return RegistrarRefusal(UNKNOWN)
        if word == "all":
            return every(self.databases[kind])
        if len(data) > self.limits.record:
            return RegistrarRefusal(
                f"a request of {len(data)} bytes, {self.limits.record} are allowed"
            )
        if word == REMOVE_ALL:
            return self._remove_host(data)
        try:
            asked = parse(data)
            if word == "register":
                return self.register(kind, record_of(asked))
        except ValueError as error:
            return RegistrarRefusal(str(error))
        database = self.databases[kind]
        if word == "remove":
            return self._remove(kind, asked)
        if asked.domain == ANY and word != "filter":
            return nothing(database)
        return RULES[kind][word](database, asked)

    def register(self, kind: str, record: TopicRecord) -> Altered | RegistrarRefusal:
        """Add a record, unless it is there."""
        database = self.databases[kind]
        if (present := database.same(record.frame)) is not None:
            return Altered(kind, present)
        if refused := self._no_room(database, record):
            return RegistrarRefusal(refused)
        self._number += 1
        database.add(record, self._number)
        return Altered(kind, self._number, record)

    def restore(self, kind: str, record: TopicRecord, number: int) -> None:
        """Add a record that was kept, whatever the limits are."""
        self._number = max(self._number, number)
        self.databases[kind].add(record, number)

    def remove(self, kind: str, numbers: Sequence[int]) -> Altered:
        """Remove records that are alive, `MAX_SAME` at most."""
        return Altered(removals={kind: self.databases[kind].remove(numbers)} if numbers else {})

    def alive(self, kind: str, numbers: Sequence[int]) -> list[int]:
        """Those of some records that are alive."""
        database = self.databases[kind]
        return [one for one in numbers if database.frames((one,))]

    def settle(self, altered: Altered) -> None:
        """Nothing needs any more what was removed."""
        for kind, removal in altered.removals.items():
            self.databases[kind].bury(removal)

    def sweep(self) -> Iterator[Sequence[int]]:
        """Free what was removed, in steps: the numbers of records that are gone."""
        for one in self.databases.values():
            yield from one.sweep()

    def _no_room(self, database: Database, record: TopicRecord) -> str:
        """Why there is no room for a record, empty if there is some."""
        limits = self.limits
        if self.count >= limits.records or self._held >= 2 * limits.records:
            return f"there are {limits.records} records already, which is the limit"
        if self._bytes + len(record.frame) > limits.bytes:
            return f"all records have {limits.bytes} bytes already, which is the limit"
        if database.full(record):
            return "there are too many records of this topic, name and host already"
        return ""

    @property
    def _held(self) -> int:
        return sum(one.held for one in self.databases.values())

    @property
    def _bytes(self) -> int:
        return sum(one.bytes for one in self.databases.values())

    def _remove(self, kind: str, asked: Any) -> Altered:
        if asked.domain == ANY:
            return Altered()
        found = self.databases[kind].owned(key_of(asked), asked.name, asked.host)
        return self.remove(kind, found)

    def _remove_host(self, host: bytes) -> Altered:
        removals = {
            kind: one.remove_host(host, self._number) for kind, one in self.databases.items()
        }
        return Altered(removals={kind: one for kind, one in removals.items() if one.numbers})


def named(action: str) -> tuple[str, str]:
    """Kind and word of an action, such as Publisher and find; empty words if there is none such."""
    return _ACTIONS.get(ALIASES.get(action, action), ("", ""))


def alters(action: str) -> bool:
    """True if an action may change something."""
    return named(action)[1] in ("register", "remove", REMOVE_ALL)


def _actions() -> Iterator[tuple[str, tuple[str, str]]]:
    yield f"{REMOVE_ALL}{REGISTRATION}", (KINDS[0], REMOVE_ALL)
    for kind in KINDS:
        yield f"remove{kind}{REGISTRATION}", (kind, "remove")
        for word in ("register", "find", "filter", "exact", "all"):
            yield f"{word}{kind}", (kind, word)


_ACTIONS = dict(_actions())
