"""The command line: finds the verb that is meant, and its parser and help. Verbs are plugins.

`ccserver x.ini` means `ccserver run x.ini`. Exit status: 0 done, 1 failed, 2 wrong usage, 78 bad
configuration. Only the overview imports verbs that are not asked for: a verb starts quickly.
"""

from __future__ import annotations

import errno
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from ccproxy.config import kinds
from ccproxy.config.ini import SERVER, read
from ccproxy.config.problems import Problem, did_you_mean
from ccproxy.plugins import VERB, Plugins
from ccproxy.verb import Verb

DEFAULT = "run"
"""The verb that is meant when none is given."""

UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of an output whose reader has ended, or whose disk is full: they name no file."""

OVERVIEW = """\
verbs (run is meant when none is given):
{verbs}

examples:
  ccserver check conf/src.ini            find all mistakes before starting
  ccserver conf/src.ini                  run in the foreground, ^C stops
  ccserver -d conf/src.ini               run in the background; 0 only if the start succeeded
  ccserver -r conf/src.ini               the running server reads its configuration again
  ccserver -s conf/src.ini               stop it
  ccserver explain conf/src.ini log.info show where messages of this type go

`ccserver VERB --help` describes a verb.
exit status: 0 done, 1 failed, 2 wrong usage, 78 bad configuration"""


class VerbParser(ArgumentParser):
    """A parser with the exit status of its verb for wrong usage."""

    wrong_usage = 2

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit."""
        self.print_usage(sys.stderr)
        self.exit(self.wrong_usage, f"{self.prog}: error: {message}\n")


class Verbs:
    """The verbs for one command line, with the drop-in folders of the INI files that it names."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.plugins = Plugins()
        self.folders = drop_in_folders(words)
        self._loaded: dict[str, Verb] = {}

    @property
    def names(self) -> list[str]:
        """Every installed verb: `run` first, then the others by name."""
        found = self.plugins.words(VERB)
        return sorted(found, key=lambda name: (name != DEFAULT, name))

    def known(self, word: str) -> bool:
        """True if there is such a verb, installed or in a drop-in folder."""
        return word in self.plugins.words(VERB, self.folders)

    def load(self, name: str) -> Verb:
        """The verb of this name, one instance for a command line; ValueError says why there is
        none."""
        if name not in self._loaded:
            found = self.plugins.verb(name, self.folders)
            if isinstance(found, Problem):
                raise ValueError(f"{found.what}; {found.hint}".rstrip("; "))
            self._loaded[name] = found()
        return self._loaded[name]

    def table(self) -> dict[str, str]:
        """Every installed verb, with what it does, or with what is wrong if it cannot be loaded."""
        rows = {}
        for name in self.names:
            found = self.plugins.verb(name)
            rows[name] = found.what if isinstance(found, Problem) else found.about
        return rows


def drop_in_folders(words: Iterable[str]) -> tuple[str, ...]:
    """The plugin folders of the INI files among these words, as far as the files can be read."""
    folders: list[str] = []
    for word in words:
        if not word.endswith(".ini") or not Path(word).is_file():
            continue
        ini, _ = read(word, {})
        section = ini.section(SERVER) if ini else None
        entry = section.entry("plugins") if section else None
        if entry is not None and entry.fault is None:
            here = Path(word).parent
            folders += [str(here / one) for one in kinds.folders.parse(entry.text)]
    return tuple(folders)


def parser_of(name: str, overview: bool = False, verbs: Verbs | None = None) -> ArgumentParser:
    """The parser of a verb; with `overview` its help also lists all verbs."""
    verbs = verbs or Verbs()
    verb = verbs.load(name)
    epilog = verb.examples
    if overview:
        rows = [f"  {one:<11} {about}" for one, about in verbs.table().items()]
        epilog = OVERVIEW.format(verbs="\n".join(rows))
    parser = VerbParser(
        prog="ccserver" if overview else f"ccserver {name}",
        description=verb.about[:1].upper() + verb.about[1:] + ".",
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.wrong_usage = verb.wrong_usage
    if overview:
        parser.usage = "%(prog)s [options] FILE\n       %(prog)s VERB ..."
    verb.arguments(parser)
    return parser


def split_verb(words: Sequence[str], verbs: Verbs) -> tuple[str | None, list[str]]:
    """The verb, None if none is given, and the other words."""
    for at, word in enumerate(words):
        if verbs.known(word):
            return word, [*words[:at], *words[at + 1 :]]
        if not word.startswith("-"):
            break
    return None, list(words)


def misspelt(words: Sequence[str], verbs: Verbs) -> str:
    """An error text if the first word is no file, and nearly a verb or followed by a file;
    otherwise empty."""
    word = next((one for one in words if not one.startswith("-")), "")
    if not word.isalpha() or Path(word).exists():
        return ""
    hint = did_you_mean(word, verbs.names)
    if not hint and words[0] == word and len(words) > 1 and not words[1].startswith("-"):
        hint = "ccserver --help lists all verbs"
    return f'unknown verb "{word}"; {hint}' if hint else ""


def parsed(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """The options of a verb, which may stand between its other words; SystemExit if wrong."""
    options, rest = parser.parse_known_args(words)
    if not rest:
        return options
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:  # a verb with words of its own takes its options in one place only
        parser.error(f"unrecognized arguments: {' '.join(rest)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` is without the program's name. SystemExit on wrong usage."""
    given = sys.argv[1:] if argv is None else argv
    verbs = Verbs(given)
    name, words = split_verb(given, verbs)
    # The overview loads every verb to list it, so it is made only when it is printed.
    overview = name is None and not {"-h", "--help"}.isdisjoint(words)
    try:
        parser = parser_of(name or DEFAULT, overview, verbs)
    except ValueError as error:
        print(f"ccserver: {error}", file=sys.stderr)
        return 1
    if name is None and (meant := misspelt(words, verbs)):
        parser.error(meant)
    options = parsed(parser, words)
    try:
        status = verbs.load(name or DEFAULT).run(options)
        sys.stdout.flush()
        return status
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        # Send the rest to /dev/null, or the flush at exit would raise the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            print(f"ccserver: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
