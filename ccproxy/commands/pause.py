"""The verbs `pause` and `resume`: hold the links of a section back, and let them connect again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from ccproxy.commands import common
from ccproxy.commands.server_verb import AskedServer, ServerVerb, print_answer
from ccproxy.config.ini import read

EXAMPLES = """\
examples:
  ccserver {word} conf/src.ini h:far      the links of [h:far]

A paused link is disconnected in order. Its messages wait in its queue, up to the limits and by the
policy of its section, until `resume`. A restart of the server ends the pause, a reload does not.
exit status: 0 done, 1 the section has no link, or no server answers"""


class PauseVerb(ServerVerb):
    """`ccserver pause`."""

    changes = True
    word: ClassVar[str] = "pause"
    about = "hold the links of a section back: messages wait in their queues"
    examples = EXAMPLES.format(word="pause")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the section."""
        super().arguments(parser)
        parser.add_argument("link", metavar="LINK", help="the section of the link, such as h:far")

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The sections of handlers and listeners."""
        ini, _ = read(file, {}) if metavar == "LINK" and Path(file).is_file() else (None, [])
        names = [one.name for one in ini.sections] if ini else []
        return [name for name in names if name.startswith(("h:", "listen:"))]

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Do it, and say how many links there are."""
        found = server.ask("POST", f"/v1/{self.word}", {"link": options.link})
        text = f"{self.word}d {common.several(found['changed'], 'link')} of {options.link}"
        print_answer(found, text, options.json)
        return 0


class ResumeVerb(PauseVerb):
    """`ccserver resume`."""

    word = "resume"
    about = "let the links of a section connect again after `pause`"
    examples = EXAMPLES.format(word="resume")
