"""The verb `log`: a running server logs more or less from now on, all of it or one section."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ccproxy.commands import common
from ccproxy.commands.server_verb import AskedServer, ServerVerb, print_answer
from ccproxy.process.log_levels import LEVELS, SERVER

EXAMPLES = """\
examples:
  ccserver log conf/src.ini debug            everything in detail
  ccserver log conf/src.ini trace h:far      only the lines of this section
  ccserver log conf/src.ini warning CCServer       only those of the server itself

`ccserver status` shows a level that was changed. A reload, and a start, log as the command line of
the server says (-v, -q).
exit status: 0 done, 1 there is no such section, or no server answers, 2 no such level"""


class LogVerb(ServerVerb):
    """`ccserver log`."""

    changes = True
    about = "let a running server log more or less, as a whole or one section"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the server, the level and the section."""
        super().arguments(parser)
        parser.add_argument(
            "level", metavar="LEVEL", choices=LEVELS, help=f"one of {', '.join(LEVELS)}"
        )
        parser.add_argument(
            "section", metavar="SECTION", nargs="?", default="",
            help=f"only this section of a handler, or {SERVER} for the server's own lines",
        )  # fmt: skip

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The sections of handlers."""
        return [SERVER, *common.handler_sections(file)] if metavar == "SECTION" else ()

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Change it."""
        query = {"level": options.level, "section": options.section}
        found = server.ask("POST", "/v1/log", query)
        what = options.section or "everything without a level of its own"
        print_answer(found, f"{what} is logged at {options.level}", options.json)
        return 0
