"""The verb `check`: reports every mistake of configurations at once, and starts nothing."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ccproxy.commands import common
from ccproxy.commands.environment import environment_problems
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.plugins import HANDLER, Plugins
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver check conf/src.ini conf/shop.graph.ini
  ccserver check --json /etc/ccserver/src.ini

With --environment also: folders and files can be written, databases open, ports are free. Run it as
the user of the server, and before the server runs.
Graph and repository files of a service mesh are checked as what they are.
A mistake is one line: FILE:LINE: what is wrong; a hint.
exit status: 0 all files are valid (warnings are no mistakes), 78 one is not"""

_OF_SERVER = re.compile(r"^\s*\[\s*(ccserver|routes)\s*\]", re.MULTILINE)


class CheckVerb(Verb):
    """`ccserver check`."""

    about = "report every mistake of a configuration, start nothing"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the files."""
        parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="an INI file")
        parser.add_argument(
            "--environment", action="store_true",
            help="also try what the start needs of this system: files, databases, ports",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print JSON instead of text")

    def run(self, options: argparse.Namespace) -> int:
        """Check each file; return the exit status."""
        plugins = Plugins()
        results = [checked(file, plugins) for file in options.files]
        if options.environment:
            results = list(map(with_environment, results))
        if options.json:
            print(json.dumps([as_json(one) for one in results], indent=2))
        else:
            for one in results:
                print("\n".join(as_text(one)))
        return 0 if all(one.valid for one in results) else common.BAD_CONFIGURATION


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one file: a plan, or the word of the handler whose file it is, and problems."""

    file: Path
    problems: Sequence[Problem]
    plan: Plan | None = None
    handler: str = ""

    @property
    def mistakes(self) -> int:
        """The number of problems that are more than a warning."""
        return sum(not problem.warning for problem in self.problems)

    @property
    def valid(self) -> bool:
        """True if a server or a handler would take the file."""
        return not self.mistakes and (self.plan is not None or bool(self.handler))


def checked(file: Path, plugins: Plugins) -> Checked:
    """Check a file as what it is: the configuration of a server, or a file of a handler."""
    return of_handler(file, plugins) or of_server(file, plugins)


def with_environment(result: Checked) -> Checked:
    """The result with what only this system can say of the plan, if there is one."""
    if result.plan is None:
        return result
    return replace(result, problems=[*result.problems, *environment_problems(result.plan)])


def of_server(file: Path, plugins: Plugins) -> Checked:
    """Check a configuration."""
    plan, problems = common.load(file, plugins=plugins)
    return Checked(file, problems, plan)


def of_handler(file: Path, plugins: Plugins) -> Checked | None:
    """Check a file that an option of a handler names, such as a graph; None if it is none."""
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError):
        return None
    if _OF_SERVER.search(text):
        return None
    for word in plugins.words(HANDLER):
        found = plugins.handler(word)
        if isinstance(found, Problem):
            continue
        problems = found.check_file(str(file), text)
        if problems is not None:
            return Checked(file, tuple(problems), handler=word)
    return None


def as_text(result: Checked) -> list[str]:
    """The result of one file as lines."""
    lines = [str(problem) for problem in sorted(result.problems)]
    if result.plan is not None and result.valid:
        digest, found = result.plan.digest, contents(result.plan)
        return [*lines, f"{result.file}: ok, digest {digest}, {found}"]
    if result.valid:
        return [*lines, f"{result.file}: ok, a file for the handler {result.handler}"]
    return [*lines, f"{result.file}: {counted(result.mistakes, 'mistake')}"]


def as_json(result: Checked) -> dict[str, object]:
    """The result of one file for JSON."""
    value: dict[str, object] = {
        "file": str(result.file),
        "valid": result.valid,
        "problems": [asdict(problem) for problem in sorted(result.problems)],
    }
    if result.handler:
        value["handler"] = result.handler
    if result.plan is not None:
        value["digest"] = result.plan.digest
        for what in ("routes", "handlers", "listeners"):
            value[what] = len(getattr(result.plan, what))
    return value


def contents(plan: Plan) -> str:
    """What a plan contains, as `4 routes, 3 handlers, 1 listener`."""
    return ", ".join(
        counted(len(getattr(plan, f"{what}s")), what) for what in ("route", "handler", "listener")
    )


def counted(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"
