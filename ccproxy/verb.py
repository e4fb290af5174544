"""The whole contract of a verb on one page: what `ccserver WORD ...` is, does and answers.

A verb is a class, found by its word like a handler: an entry point of the group `ccproxy.verbs`,
or a file `WORD.py` in a plugin folder of an INI file that the command line names. One instance
serves one command. A verb must never change anything before its arguments are known to be right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import ClassVar


class Verb:
    """Base class: give `about` and `examples`, declare arguments, do the work."""

    about: ClassVar[str] = ""
    """What it does, in one line for the list of verbs; it begins with a small letter."""

    examples: ClassVar[str] = ""
    """The end of its help: the line `examples:`, commands that begin with `ccserver WORD`, and
    what else a user should know."""

    wrong_usage: ClassVar[int] = 2
    """The exit status for words that are no arguments of it."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments, each with `help`.

        A shell offers INI files for the metavar FILE, any file for DIR and BLOB, the `choices` of
        an argument that has some, and `candidates` for the others.
        """

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """What a shell may offer for an argument with this metavar. `file` is the INI file in front
        of it, "" if there is none. It must never connect to a server."""
        return ()

    def run(self, options: argparse.Namespace) -> int:
        """Do it. The exit status is returned: 0 done, 1 failed, `wrong_usage`, 78 bad
        configuration; `ccproxy.commands.common` has names for them."""
        raise NotImplementedError
