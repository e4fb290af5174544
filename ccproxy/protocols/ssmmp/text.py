"""Text to message and back: fields by name, tolerance and errors as in the reference (4.4).

The first line of a text shows its framing. It must never decide what a message means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ccproxy.protocols.ssmmp.framing import Framing, cut, framing_of
from ccproxy.protocols.ssmmp.kinds import FieldKind, FieldValue, host_and_port
from ccproxy.protocols.ssmmp.message import SsmmpMessage, refusal, row_of
from ccproxy.protocols.ssmmp.table import (
    ALIASES,
    FIELDS,
    SUB_TYPE_ALIASES,
    TYPES,
    Actor,
    Edition,
    Row,
)

_LINE = re.compile(r"([A-Za-z0-9_]+)[ \t]*:[ \t]*([^\x00\r\n\ud800-\udfff]*)")
_TYPE = re.compile(r"[A-Za-z0-9_-]+")
_ID = FIELDS["service_instance_id"].read
_NOT_PORTS = frozenset("klm")
"""Letters that one published implementation sends in the place of a port it does not have."""


class Malformed(ValueError):
    """A text that is not a valid message; `answer` is for its sender, None = no answer."""

    def __init__(
        self, why: str, answer: SsmmpMessage | None = None, unreadable: bool = False
    ) -> None:
        super().__init__(why)
        self.answer = answer
        self.unreadable = unreadable
        """True if no type or id could be read: after ten of these the connection is closed."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to write to a peer. `own_address` is set for a peer that writes `host_port` addresses:
    it gets addresses in that form, and its own address exactly as it wrote it."""

    framing: Framing = Framing.LINES
    edition: Edition = Edition.BASE
    own_address: str = ""


@dataclass(slots=True)
class _Lines:
    """The lines of one text by lower-case name, and the first mistake in them."""

    values: dict[str, str]
    fault: str
    loose: bool


def parse(text: str | bytes, receiver: Actor | None = None) -> SsmmpMessage:
    """The message of one unit in any framing; Malformed if it cannot be accepted.

    `receiver` checks the direction; None accepts any. In the semicolon framing the direction is
    not checked, because the one program known to use it forwards messages with their old
    `sub_type`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    first = text.lstrip("\r\n").partition("\n")[0]
    framing = framing_of(first)
    lines = _read(cut(text, framing), framing is Framing.SEMICOLON)
    type, id = _head(lines)
    rows = TYPES.get(type)
    if rows is None:
        raise _unknown(type, id)
    row = _row(rows, lines, receiver)
    if row is None:
        asked = _facing(rows, receiver)
        sub_type = lines.values.get("sub_type", "")
        raise _bad(asked, id, lines, f"sub_type {sub_type[:80]!r} does not fit {type}")
    return _message(row, id, lines)


def _read(parts: list[str], loose: bool) -> _Lines:
    lines = _Lines({}, "", loose)
    for part in parts:
        match = _LINE.fullmatch(part)
        if not match:
            lines.fault = lines.fault or f"line {part[:80]!r}, expected name: contents"
            # An entry for the faulty line, so that the next line does not count as the first one.
            lines.values.setdefault("", part)
            continue
        name = match[1].lower()
        name = ALIASES.get(name, name)
        if name in lines.values:
            lines.fault = lines.fault or f"line {name} occurs twice"
        lines.values.setdefault(name, match[2].strip())
    return lines


def _head(lines: _Lines) -> tuple[str, int]:
    names = list(lines.values)[:2]
    if names != ["type", "message_id"]:
        found = ", ".join(names) or "nothing"
        raise Malformed(f"lines start with {found}, expected type, message_id", unreadable=True)
    type = lines.values["type"]
    if not _TYPE.fullmatch(type):
        raise Malformed(f"type {type[:80]!r}, expected letters, digits and _", unreadable=True)
    if type.endswith("_info") and lines.values["message_id"] == "0":
        # The published implementation sends informations, which are not answered, with the id 0.
        return type, 0
    try:
        id = _ID(lines.values["message_id"])
    except ValueError as error:
        raise Malformed(f"message_id is {error}", unreadable=True) from None
    assert isinstance(id, int)
    return type, id


def _unknown(type: str, id: int) -> Malformed:
    why = f"unknown type {type[:80]}"
    if not type.endswith("_request"):
        return Malformed(why)
    stem = type.removesuffix("_request")
    return Malformed(why, SsmmpMessage(f"{stem}_response", id, "", {"status": 501}))


def _row(rows: tuple[Row, ...], lines: _Lines, receiver: Actor | None) -> Row | None:
    found = lines.values.get("sub_type", "").lower()
    wanted = SUB_TYPE_ALIASES.get(found, found).lower()
    fitting = [row for row in rows if row.sub_type.lower() == wanted]
    facing = [row for row in fitting if receiver in (None, row.receiver)]
    if facing or not lines.loose:
        return facing[0] if facing else None
    return _facing(rows, receiver) if fitting else None


def _facing(rows: tuple[Row, ...], receiver: Actor | None) -> Row:
    """The row with this receiver; if there is none, the last one, which is that of the Manager."""
    return next((row for row in rows if row.receiver is receiver), rows[-1])


def _bad(row: Row, id: int, lines: _Lines, why: str) -> Malformed:
    known: dict[str, FieldValue] = {}
    for name in row.required & lines.values.keys():
        try:
            known[name] = FIELDS[name].read(lines.values[name])
        except ValueError:
            continue
    return Malformed(why, refusal(row, id, 400, known))


def _message(row: Row, id: int, lines: _Lines) -> SsmmpMessage:
    if lines.fault:
        raise _bad(row, id, lines, lines.fault)
    fields: dict[str, FieldValue] = {}
    extras: list[tuple[str, str]] = []
    for name, contents in lines.values.items():
        kind = FIELDS.get(name)
        if name in ("type", "message_id", "sub_type"):
            continue
        if kind is None:
            extras.append((name, contents))
            continue
        try:
            fields[name] = _loose(kind, contents) if lines.loose else kind.read(contents)
        except ValueError as error:
            raise _bad(row, id, lines, f"{name} is {error}") from None
    if missing := row.required - fields.keys():
        raise _bad(row, id, lines, f"{row.type} without {', '.join(sorted(missing))}")
    return SsmmpMessage(row.type, id, row.sub_type, fields, tuple(extras))


def _loose(kind: FieldKind, contents: str) -> FieldValue:
    """Read contents as the one program known to use the semicolon framing writes them."""
    if kind.name == "port" and contents in _NOT_PORTS:
        return 0
    if kind.name == "address" and not contents:
        return "::"
    if kind.name == "socket configuration" and "," not in contents and contents.strip("() "):
        return kind.read(f"S, {host_and_port(contents)[1]}")
    if kind.name == "plug configuration" and "," not in contents:
        return ()
    return kind.read(contents)


def format(message: SsmmpMessage, dialect: Dialect = Dialect()) -> bytes:
    """The bytes of a message with its end mark, its fields in the order of the edition."""
    pairs = [("type", message.type), ("message_id", str(message.id))]
    if message.sub_type:
        pairs.append(("sub_type", message.sub_type))
    comma = dialect.edition is Edition.V11 or dialect.framing is Framing.SEMICOLON
    for name in _order(message, dialect.edition):
        value = message.fields[name]
        kind = FIELDS.get(name)
        contents = kind.write(value, comma) if kind else str(value)
        pairs.append((name, contents))
    if dialect.own_address:
        pairs = [(name, _reference(name, text, message, dialect)) for name, text in pairs]
    return _joined([*pairs, *message.extras], dialect.framing).encode("utf-8", "replace")


def _order(message: SsmmpMessage, edition: Edition) -> list[str]:
    row = row_of(message)
    lines = row.lines(edition) if row else ()
    known = [name for name in lines if name in message.fields]
    return [*known, *(name for name in message.fields if name not in lines)]


def _reference(name: str, contents: str, message: SsmmpMessage, dialect: Dialect) -> str:
    """Contents in the `host_port` form that one published implementation wants (its addresses
    name the listening port, which is how its agent finds an instance)."""
    if name == "agent_network_address":
        return dialect.own_address
    host = dialect.own_address.rpartition("_")[0]
    if name == "socket_configuration":
        sockets = message.items(name)
        return f"{host}_{sockets[0].port}" if sockets else contents
    if name == "source_service_instance_network_address":
        return f"{host}_{message.number('source_plug_port')}"
    if name == "dest_service_instance_network_address":
        return f"{host}_{message.number('dest_socket_port')}"
    return contents


def _joined(pairs: list[tuple[str, str]], framing: Framing) -> str:
    if framing is Framing.SEMICOLON:
        return ";".join(f"{name}:{contents}" for name, contents in pairs) + "\n"
    lines = [f"{name}: {contents}" if contents else f"{name}:" for name, contents in pairs]
    if framing is Framing.TILDE:
        return " ~ ".join(lines) + "\n"
    return "\n".join(lines) + "\n\n"
