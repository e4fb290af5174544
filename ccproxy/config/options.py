"""How options are declared: once, on a dataclass. Parsing, help, docs, `check` and reload read it.

    @dataclass(frozen=True, slots=True)
    class Options:
        remote_cc: str = option(kinds.address, help="where the far side listens")
        ping: bool = option(kinds.flag, default=False, help="watch the link")

The INI name is the field's name with `-` for `_`, unless `name=` says otherwise. This module must
never read a file or know what a particular option means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of an option becomes a value: `parse` raises ValueError saying what it expected.

    `refers` is "handler" for an option that names handler sections: these start as well; "daemon"
    for sections of other programs; "protocol" for words of protocols that services speak. `opens`
    says what the server does with the file that it names: "write" or "database"; `check
    --environment` tries that.
    """

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    refers: str = ""
    opens: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the option table: everything that is known about an option."""

    field: str
    name: str
    kind: Kind
    default: Any
    help: str
    reloadable: bool
    secret: bool
    aliases: tuple[str, ...]
    ignored: bool

    @property
    def required(self) -> bool:
        """True if the INI must give it."""
        return self.default is MISSING


def option(
    kind: Kind,
    *,
    default: Any = MISSING,
    help: str,
    name: str = "",
    aliases: tuple[str, ...] = (),
    reloadable: bool = True,
    secret: bool = False,
    ignored: bool = False,
) -> Any:
    """Declare a field of an Options dataclass.

    `ignored` options are accepted, have no effect, and the user is told so once.
    """
    about = {
        "kind": kind, "help": help, "name": name, "aliases": aliases,
        "reloadable": reloadable, "secret": secret, "ignored": ignored,
    }  # fmt: skip
    return field(default=default, metadata={"option": about}, kw_only=True)


def like(table: type, name: str) -> Any:
    """Declare the option that another table has, for a class that cannot inherit from both."""
    [found] = [one for one in fields(table) if one.name == name]
    return field(default=found.default, metadata=found.metadata, kw_only=True)


def options_of(declared: type) -> Iterator[Option]:
    """The option table of an Options dataclass, in order of declaration."""
    for one in fields(declared):
        about = dict(one.metadata["option"])
        name = about.pop("name") or one.name.replace("_", "-")
        yield Option(field=one.name, name=name, default=one.default, **about)


def names_of(*tables: type) -> set[str]:
    """All INI names of some option tables, aliases included."""
    return {
        name for table in tables for one in options_of(table) for name in (one.name, *one.aliases)
    }


def shared(options: Any, table: type) -> dict[str, Any]:
    """The values, by field, of those options that another table has as well: what is needed to make
    the options of a listener of those of a link, and the like."""
    names = {one.name for one in fields(options)}  # a property may have the name of an option
    return {one.name: getattr(options, one.name) for one in fields(table) if one.name in names}


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a handler that has none."""
