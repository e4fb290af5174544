"""The verb `check`: reports every mistake of configurations at once, and starts nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ccproxy.commands import common
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver check conf/src.ini conf/dst.ini
  ccserver check --json /etc/ccserver/src.ini

A mistake is one line: FILE:LINE: what is wrong; a hint.
exit status: 0 all files are valid (warnings are no mistakes), 78 one is not"""


class CheckVerb(Verb):
    """`ccserver check`."""

    about = "report every mistake of a configuration, start nothing"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the files."""
        parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="an INI file")
        parser.add_argument("--json", action="store_true", help="print JSON instead of text")

    def run(self, options: argparse.Namespace) -> int:
        """Check each file; return the exit status."""
        results = [(file, *common.load(file)) for file in options.files]
        if options.json:
            print(json.dumps([as_json(*result) for result in results], indent=2))
        else:
            for result in results:
                print("\n".join(as_text(*result)))
        valid = all(plan is not None for _, plan, _ in results)
        return 0 if valid else common.BAD_CONFIGURATION


def as_text(file: Path, plan: Plan | None, problems: Sequence[Problem]) -> list[str]:
    """The result of one file as lines."""
    lines = [str(problem) for problem in sorted(problems)]
    if plan is not None:
        return [*lines, f"{file}: ok, digest {plan.digest}, {contents(plan)}"]
    mistakes = sum(not problem.warning for problem in problems)
    return [*lines, f"{file}: {counted(mistakes, 'mistake')}"]


def as_json(file: Path, plan: Plan | None, problems: Sequence[Problem]) -> dict[str, object]:
    """The result of one file for JSON."""
    result: dict[str, object] = {
        "file": str(file),
        "valid": plan is not None,
        "problems": [asdict(problem) for problem in sorted(problems)],
    }
    if plan is not None:
        result["digest"] = plan.digest
        for what in ("routes", "handlers", "listeners"):
            result[what] = len(getattr(plan, what))
    return result


def contents(plan: Plan) -> str:
    """What a plan contains, as `4 routes, 3 handlers, 1 listener`."""
    return ", ".join(
        counted(len(getattr(plan, f"{what}s")), what) for what in ("route", "handler", "listener")
    )


def counted(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"
