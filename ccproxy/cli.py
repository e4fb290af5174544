"""The command line: finds the verb that is meant, and its parser and help.

`ccserver x.ini` means `ccserver run x.ini`. Exit status: 0 done, 1 failed, 2 wrong usage, 78 bad
configuration. It must never import a verb that is not asked for, so that a verb starts quickly.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from ccproxy.config.problems import did_you_mean

VERBS = {
    "run": "start the server, or signal a running one",
    "check": "report every mistake of a configuration, start nothing",
    "explain": "show where messages of a type would go, and why",
    "send": "send one message and print the replies",
    "relocate": "point a redirect to another place while calls go on",
    "mesh": "show and operate the services that a Manager runs",
    "examples": "write out example configurations and plugins",
    "completion": "print a completion script for bash, zsh or fish",
}
"""Verb -> what it does; the module `ccproxy.commands.VERB` does it."""

ELSEWHERE = {
    "relocate": "ccproxy_handlers.redirect.verb",
    "mesh": "ccproxy_handlers.ssmmp.verbs.mesh",
}

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


class Verb(Protocol):
    """What a module of `ccproxy.commands` offers."""

    EXAMPLES: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""

    def main(self, args: argparse.Namespace) -> int:
        """Do it; the exit status is returned."""


def load_verb(name: str) -> Verb:
    """The module of a verb."""
    return cast(Verb, import_module(ELSEWHERE.get(name, f"ccproxy.commands.{name}")))


def parser_of(name: str, overview: bool = False) -> argparse.ArgumentParser:
    """The parser of a verb; with `overview` its help also lists all verbs."""
    verb = load_verb(name)
    listed = "\n".join(f"  {verb:<11} {about}" for verb, about in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="ccserver" if overview else f"ccserver {name}",
        description=VERBS[name][0].upper() + VERBS[name][1:] + ".",
        epilog=OVERVIEW.format(verbs=listed) if overview else verb.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if overview:
        parser.usage = "%(prog)s [options] FILE\n       %(prog)s VERB ..."
    verb.arguments(parser)
    return parser


def split_verb(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb, None if none is given, and the other words."""
    for at, word in enumerate(words):
        if word in VERBS:
            return word, [*words[:at], *words[at + 1 :]]
        if not word.startswith("-"):
            break
    return None, list(words)


def misspelt(words: Sequence[str]) -> str:
    """An error text if the first word is no file but nearly a verb; otherwise empty."""
    word = next((one for one in words if not one.startswith("-")), "")
    if not word.isalpha() or Path(word).exists():
        return ""
    hint = did_you_mean(word, VERBS)
    return f'unknown verb "{word}"; {hint}' if hint else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` is without the program's name. SystemExit on wrong usage."""
    verb, words = split_verb(sys.argv[1:] if argv is None else argv)
    parser = parser_of(verb or "run", overview=verb is None)
    if verb is None and (meant := misspelt(words)):
        parser.error(meant)
    args = parser.parse_args(words)
    try:
        return load_verb(verb or "run").main(args)
    except BrokenPipeError:
        # The reader of our output has ended. Send the rest to /dev/null, or the flush at exit
        # would raise the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 1
