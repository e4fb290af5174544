"""A message as a frozen value, and the functions that make one.

It must never read or write the text of a message: see `text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ccproxy.protocols.ssmmp.kinds import NOWHERE, FieldValue
from ccproxy.protocols.ssmmp.table import HOPS, TYPES, Actor, Edition, Row


@dataclass(frozen=True, slots=True)
class SsmmpMessage:
    """One SSMMP message; `fields` hold typed values by line name (see `table.FIELDS`).

    `extras` are lines that are not in the table, with their contents as text: extension lines
    (`x_...`) and any other lines that a peer sent.
    """

    type: str
    id: int
    sub_type: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict, hash=False)
    extras: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """A field that is a name or an address; empty if it is absent."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """A field that is a number; 0 if it is absent."""
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    def items(self, name: str) -> tuple[Any, ...]:
        """A field that is a list; empty if it is absent."""
        value = self.fields.get(name, ())
        return value if isinstance(value, tuple) else ()

    def extra(self, name: str) -> str | None:
        """The contents of an extension line; None if it is absent."""
        return next((contents for line, contents in self.extras if line == name), None)

    @property
    def status(self) -> int:
        """The status; 0 if the message has none."""
        return self.number("status")

    @property
    def ok(self) -> bool:
        """True for a status of class 2xx."""
        return 200 <= self.number("status") < 300


@dataclass(frozen=True, slots=True)
class Hop:
    """One direction: which role sends and which receives."""

    sender: Actor
    receiver: Actor

    def make(
        self, type: str, id: int, extras: tuple[tuple[str, str], ...] = (), /, **fields: FieldValue
    ) -> SsmmpMessage:
        """A message of this hop; KeyError if the table has none of this type."""
        row = HOPS[type, self.sender, self.receiver]
        return SsmmpMessage(type, id, row.sub_type, fields, extras)

    def forward(self, message: SsmmpMessage) -> SsmmpMessage:
        """The same message on this hop: only its `sub_type` changes."""
        return replace(message, sub_type=HOPS[message.type, self.sender, self.receiver].sub_type)


MANAGER_TO_AGENT = Hop(Actor.MANAGER, Actor.AGENT)
AGENT_TO_MANAGER = Hop(Actor.AGENT, Actor.MANAGER)
AGENT_TO_INSTANCE = Hop(Actor.AGENT, Actor.INSTANCE)
INSTANCE_TO_AGENT = Hop(Actor.INSTANCE, Actor.AGENT)


def row_of(message: SsmmpMessage) -> Row | None:
    """The row of a message; None if its type is not in the table."""
    rows = TYPES.get(message.type, ())
    return next((row for row in rows if row.sub_type == message.sub_type), None)


def trimmed(message: SsmmpMessage, edition: Edition) -> SsmmpMessage:
    """The message with only the fields of this edition; its maker may fill in all it knows."""
    row = row_of(message)
    if row is None:
        return message
    lines = row.lines(edition)
    return replace(message, fields={k: v for k, v in message.fields.items() if k in lines})


def refusal(row: Row, id: int, status: int, known: Mapping[str, FieldValue]) -> SsmmpMessage | None:
    """The answer to a refused request, with the fields that are known; None if there is none."""
    answer = HOPS.get((row.answer, row.receiver, row.sender))
    if answer is None or not row.type.endswith("_request"):
        return None
    blank: dict[str, FieldValue] = {
        "status": status, "dest_service_instance_network_address": NOWHERE, "dest_socket_port": 0,
    }  # fmt: skip
    fields = {name: blank.get(name, known.get(name)) for name in answer.lines(Edition.BASE)}
    kept = {name: value for name, value in fields.items() if value is not None}
    return SsmmpMessage(answer.type, id, answer.sub_type, kept)
