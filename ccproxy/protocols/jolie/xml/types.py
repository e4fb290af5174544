"""The file of types: which fields of which operations are no strings, where XML does not say it.

    [sum]                           what operation sum is called with
    x = int
    item.price = double             the field price of each item
    [sum answer]                    what it answers
    $ = int                         the value itself
    [sum fault DivisionByZero]      what its fault holds
    a = long

Fields that the file does not name are strings. It must never be read while calls are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ccproxy.config import kinds
from ccproxy.config.ini import Section, parse
from ccproxy.config.problems import Problem
from ccproxy.config.scan import Grammar
from ccproxy.protocols.jolie.json_values import PAYLOAD
from ccproxy.protocols.jolie.xml.payloads import (
    BASE64,
    DECLARED,
    INFERRED,
    UNTYPED,
    VOID,
    TextKind,
)

_GRAMMAR = Grammar((";", "#"), indented=True, variables=False, example="[sum]")


@dataclass(slots=True)
class FieldType:
    """A field: how its text is read, and the fields inside."""

    kind: TextKind = UNTYPED
    fields: dict[str, FieldType] = field(default_factory=dict)

    def inner(self, path: list[str]) -> FieldType:
        """The field at this path, which is made if there is none."""
        found: FieldType = self
        for name in path:
            found = found.fields.setdefault(name, FieldType())
        return found


@dataclass(frozen=True, slots=True)
class TypesFile:
    """One file: section, path of a field and its word, in order."""

    file: str
    entries: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return self.file


class Types:
    """How the texts of XML are read: by a file, and what the file does not name as strings or, if
    `infer`, as the numbers that they look like."""

    def __init__(
        self, file: TypesFile | None = None, infer: bool = False, base64: bool = False
    ) -> None:
        self._made_of = file, infer, base64
        self._roots: dict[str, FieldType] = {}
        self.other = INFERRED if infer else UNTYPED
        self.base64 = base64
        """True if raw is base64 in texts."""
        for section, path, word in file.entries if file else ():
            root = self._roots.setdefault(section, FieldType())
            kind = BASE64 if base64 and word == "raw" else DECLARED[word]
            root.inner([] if path == PAYLOAD else path.split(".")).kind = kind
        for root in self._roots.values():
            _finish(root, self.other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Types) and self._made_of == other._made_of

    def __hash__(self) -> int:
        return hash(self._made_of)

    def request(self, operation: str) -> FieldType | None:
        """The type of a call; None if the file has none."""
        return self._roots.get(operation)

    def answer(self, operation: str) -> FieldType | None:
        """The type of a result."""
        return self._roots.get(f"{operation} answer")

    def fault(self, operation: str, name: str) -> FieldType | None:
        """The type of a fault's value."""
        return self._roots.get(f"{operation} fault {name}")


def read(text: str) -> TypesFile:
    """The file of this name; ValueError says what is wrong with it and where."""
    file: str = kinds.file.parse(text)
    try:
        content = Path(file).read_bytes().decode()
    except OSError as reason:
        raise ValueError(f"{file} cannot be read: {reason.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None
    return parsed(file, content)


def parsed(file: str, content: str) -> TypesFile:
    """The types in a text; ValueError for the first thing that is wrong."""
    ini, problems = parse(file, content, {}, "", _GRAMMAR)
    for problem in sorted([*problems, *_problems(ini.sections)]):
        raise ValueError(str(problem))
    return TypesFile(
        file,
        tuple(
            (" ".join(section.name.split()), entry.name, entry.text.strip())
            for section in ini.sections
            for entry in section.entries
        ),
    )


def _problems(sections: tuple[Section, ...]) -> Iterator[Problem]:
    for section in sections:
        words = section.name.split()
        if not (words[1:] in ([], ["answer"]) or len(words) == 3 and words[1] == "fault"):
            hint = "expected [OPERATION], [OPERATION answer] or [OPERATION fault NAME]"
            yield section.problem(f"unknown section [{section.name}]", hint)
        for entry in section.entries:
            if entry.fault is not None:
                yield entry.fault
            elif entry.text.strip() not in DECLARED:
                what = f'{entry.name}: found "{entry.text:.40}"'
                yield entry.problem(what, f"expected {', '.join(DECLARED)}")
            elif entry.name != PAYLOAD and not all(entry.name.split(".")):
                yield entry.problem(f'"{entry.name:.40}" is no path such as item.price')


def _finish(node: FieldType, other: TextKind) -> None:
    """What is not named: text beside named fields is none if it is blank."""
    if node.kind is UNTYPED:
        node.kind = VOID if node.fields else other
    for one in node.fields.values():
        _finish(one, other)
