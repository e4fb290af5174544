"""What a shell may offer for the last word of a command line; the scripts of `completion` ask it.

It walks the parser of the verb that is meant, so that every verb is completed, those of plugins
too. It must never print, connect to a server, or fail because of what a user has typed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ccproxy import cli
from ccproxy.verb import Verb

INI_FILES = ":ini"
"""In place of a candidate: folders, and files whose names end in .ini."""
ANY_FILES = ":files"
"""In place of a candidate: any file or folder."""

FILES = {"FILE": INI_FILES, "DIR": ANY_FILES, "BLOB": ANY_FILES, "TESTS": ANY_FILES}
"""The metavar of an argument that is a file -> which files."""
MANY = ("*", "+")


class Candidate(NamedTuple):
    """A word that may stand here, or a directive for files; and what it means."""

    word: str
    about: str = ""


@dataclass(slots=True)
class Position:
    """Where a command line has come to: the parser that is in charge, and what it has taken."""

    parser: argparse.ArgumentParser
    waiting: list[argparse.Action] = field(default_factory=list)
    """The arguments without a dash that are still to come, the next one first."""
    value_of: argparse.Action | None = None
    """The option whose value comes next."""
    file: str = ""
    """The configuration that the command line names."""

    def __post_init__(self) -> None:
        self.enter(self.parser)

    def enter(self, parser: argparse.ArgumentParser) -> None:
        """Let a parser take the words to come; argparse offers no public list of arguments."""
        self.parser = parser
        self.waiting = [one for one in parser._actions if not one.option_strings]

    def take(self, word: str) -> None:
        """Go on behind one word."""
        if self.value_of is not None:
            self.value_of = None
        elif word.startswith("-") and len(word) > 1:
            option = self.option(word.partition("=")[0])
            if option is not None and option.nargs is None and "=" not in word:
                self.value_of = option
        elif self.waiting:
            self.argument(self.waiting[0], word)

    def argument(self, action: argparse.Action, word: str) -> None:
        """One word without a dash."""
        if action.nargs not in MANY:
            self.waiting.pop(0)
        if INI_FILES in files_of(action) and not self.file:
            self.file = word
        if isinstance(action, argparse._SubParsersAction) and word in action.choices:
            self.enter(action.choices[word])

    def option(self, word: str) -> argparse.Action | None:
        """The option that is written so."""
        return self.parser._option_string_actions.get(word)


def candidates(words: Sequence[str]) -> list[Candidate]:
    """What may stand in the place of the last of `words`, which is "" if nothing is typed yet.

    `words` are those behind the program's name.
    """
    *before, current = words or [""]
    verbs = cli.Verbs(before)
    name, rest = cli.split_verb(before, verbs)
    try:
        position = Position(cli.parser_of(name or cli.DEFAULT, verbs=verbs))
        verb = verbs.load(name or cli.DEFAULT)
    except ValueError:  # a plugin that cannot be loaded
        return []
    for word in rest:
        position.take(word)
    found = list(_here(position, verb, current))
    if name is None and not any(not one.startswith("-") for one in before):
        found += [Candidate(*row) for row in verbs.table().items()]
    return [one for one in found if one.word.startswith((current, ":"))]


def _here(position: Position, verb: Verb, current: str) -> Iterator[Candidate]:
    """Everything that may come next, whatever it begins with."""
    if position.value_of is not None:
        yield from _values(position.value_of, verb, position.file)
    elif current.startswith("-"):
        yield from options_of(position.parser)
    elif position.waiting:
        yield from _values(position.waiting[0], verb, position.file)


def _values(action: argparse.Action, verb: Verb, file: str) -> Iterator[Candidate]:
    """The values of an option or argument."""
    if isinstance(action, argparse._SubParsersAction):
        yield from (Candidate(one.dest, one.help or "") for one in action._choices_actions)
    elif action.choices:
        yield from (Candidate(str(one)) for one in action.choices)
    else:
        yield from (Candidate(one) for one in files_of(action))
        configuration = file if Path(file).is_file() else ""
        yield from map(Candidate, verb.candidates(str(action.metavar), configuration))


def files_of(action: argparse.Action) -> list[str]:
    """Which files an argument takes, by its metavar; several are joined by `|`."""
    names = str(action.metavar or "").split("|")
    return [FILES[one] for one in names if one in FILES]


def options_of(parser: argparse.ArgumentParser) -> Iterable[Candidate]:
    """The options of a parser with their help."""
    for one in parser._actions:
        yield from (Candidate(word, one.help or "") for word in one.option_strings)
