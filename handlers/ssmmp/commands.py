"""The operator's commands: the one table of their words, arguments and helps.

The Manager plans and carries them out; the verb `mesh` makes its parser of the same table. A new
command is a class here and its plan in `manager/engine/plans.py`. Values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple


class Argument(NamedTuple):
    """How an operator writes the value of a field: by its place, or a flag `--name` for a bool.

    `joined` = it is written right behind the argument before it, with `=` in between.
    """

    name: str
    type: type
    metavar: str
    help: str
    required: bool
    default: Any
    joined: bool


def _argument(metavar: str, help: str, default: Any = MISSING, *, joined: bool = False) -> Any:
    about = {"metavar": metavar, "help": help, "joined": joined}
    return field(default=default, metadata=about)


def _flag(help: str) -> Any:
    return _argument("", help, False)


_NODE = ("NODE", "an agent, node name or address")
_INSTANCE = ("ID", "number of an instance")
_SERVICE = ("SERVICE", "name of a service")


@dataclass(frozen=True, slots=True)
class Drain:
    """Move everything away from a node; `force` also what has no other place."""

    word: ClassVar[str] = "drain"
    about: ClassVar[str] = "move everything away from a node"
    node: str = _argument(*_NODE)
    force: bool = _flag("also what has no other place")


@dataclass(frozen=True, slots=True)
class Undrain:
    """Let a node take instances again."""

    word: ClassVar[str] = "undrain"
    about: ClassVar[str] = "let a node take instances again"
    node: str = _argument(*_NODE)


@dataclass(frozen=True, slots=True)
class Migrate:
    """Replace an instance by one elsewhere; `node` empty = wherever is best."""

    word: ClassVar[str] = "migrate"
    about: ClassVar[str] = "replace an instance by one elsewhere"
    instance: int = _argument(*_INSTANCE)
    node: str = _argument("NODE", "default: the best", "")


@dataclass(frozen=True, slots=True)
class Scale:
    """Keep so many instances of a service."""

    word: ClassVar[str] = "scale"
    about: ClassVar[str] = "keep so many instances of a service"
    service: str = _argument(*_SERVICE)
    count: int = _argument("N", "instances to keep")


@dataclass(frozen=True, slots=True)
class Update:
    """Run a service by another program, one instance after the other."""

    word: ClassVar[str] = "update"
    about: ClassVar[str] = "run a service by another program, one instance after the other"
    service: str = _argument("SERVICE", "what it is to run")
    program: str = _argument("PROGRAM", "", joined=True)


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Close surplus sessions of the fullest instances, so that clients spread by asking again."""

    word: ClassVar[str] = "rebalance"
    about: ClassVar[str] = "spread sessions over the instances of a service again"
    service: str = _argument(*_SERVICE)


@dataclass(frozen=True, slots=True)
class StopInstance:
    """End an instance; `hard` kills it."""

    word: ClassVar[str] = "stop"
    about: ClassVar[str] = "end an instance"
    instance: int = _argument(*_INSTANCE)
    hard: bool = _flag("kill it")


@dataclass(frozen=True, slots=True)
class Down:
    """End the whole application, clients before the services that they use."""

    word: ClassVar[str] = "down"
    about: ClassVar[str] = "stop everything, gateways first and storage last"


@dataclass(frozen=True, slots=True)
class Up:
    """Start again what `down` has stopped."""

    word: ClassVar[str] = "up"
    about: ClassVar[str] = "start again what `down` has stopped"


OperatorCommand = Drain | Undrain | Migrate | Scale | Update | Rebalance | StopInstance | Down | Up

COMMANDS: dict[str, type[OperatorCommand]] = {
    one.word: one
    for one in (Drain, Undrain, Migrate, Scale, Update, Rebalance, StopInstance, Down, Up)
}
"""The commands by the words that an operator uses."""

_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool}


def arguments(command: type[OperatorCommand]) -> Iterator[Argument]:
    """The arguments of a command, in their order."""
    for one in fields(command):
        type, required = _TYPES[str(one.type)], one.default is MISSING
        default = None if required else one.default
        yield Argument(one.name, type, required=required, default=default, **one.metadata)


def text_of(command: OperatorCommand) -> str:
    """A command as an operator writes it."""
    text = command.word
    for one in arguments(type(command)):
        value = getattr(command, one.name)
        if one.type is bool:
            text += f" --{one.name}" if value else ""
        elif value != "":
            text += f"{'=' if one.joined else ' '}{value}"
    return text


def command_of(value: Mapping[str, Any]) -> OperatorCommand:
    """The command of a message: its word in the field `command`, its values in fields of their
    names; ValueError if one is missing or wrong."""
    word = value.get("command")
    made = COMMANDS.get(word) if isinstance(word, str) else None
    if made is None:
        raise ValueError(f"command is {word!r:.80}, expected one of {', '.join(COMMANDS)}")
    values: dict[str, Any] = {}
    for one in arguments(made):
        found = value.get(one.name, one.default)
        # A flag is no number here, though it is one for Python.
        if type(found) is not one.type or found == "" != one.default:
            expected = one.type.__name__
            raise ValueError(f"{word}: {one.name} is {found!r:.80}, expected {expected}")
        values[one.name] = found
    if values.get("count", 0) < 0:
        raise ValueError(f"{word}: count is {values['count']}, expected 0 or more")
    return made(**values)
