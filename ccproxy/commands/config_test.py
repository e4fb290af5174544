"""The verb `test`: runs the tests of a configuration against its plan, without sockets."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ccproxy.commands import common
from ccproxy.commands.cases import TEST, Case, read_cases
from ccproxy.commands.verdicts import CaseResult, failed, run_case, shown, told
from ccproxy.config.ini import parse
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import suggest
from ccproxy.plugins import Plugins
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  ccserver test conf/gateway.ini                 the tests of conf/gateway.ini.test
  ccserver test conf/gateway.ini debug -v        one of them, and what happened in it
  ccserver test /etc/ccserver/src.ini --tests src.test --junit > report.xml

  [test:debug is held back]
  send = log.debug {"text": "..."}
  expect = h:important, not h:inner
  fate = discarded

Handlers run, but no socket, file or process is opened; links take everything at once.
exit status: 0 all tests passed, 1 one failed, 78 a mistake in one of the files"""

SUFFIX = ".test"


class ConfigTestVerb(Verb):
    """`ccserver test`."""

    about = "run the tests of a configuration, without sockets"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the files, and how results are shown."""
        parser.add_argument("file", metavar="FILE", type=Path, help="configuration, an INI file")
        parser.add_argument(
            "names", metavar="TEST", nargs="*", help="only these tests: NAME of [test:NAME]"
        )
        parser.add_argument(
            "--tests", metavar="TESTS", type=Path,
            help=f"file of the tests (default: FILE{SUFFIX})",
        )  # fmt: skip
        parser.add_argument(
            "-v", "--verbose", action="store_true", help="show what happened in each step"
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON instead of text")
        form.add_argument("--junit", action="store_true", help="print XML in the form of JUnit")

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The names of the tests."""
        return names_of(Path(f"{file}{SUFFIX}")) if metavar == "TEST" and file else ()

    def run(self, options: argparse.Namespace) -> int:
        """Run the tests; return the exit status."""
        plugins = Plugins()
        plan, problems = common.load(options.file, plugins=plugins)
        cases: list[Case] = []
        if plan is not None:
            file = options.tests or Path(f"{options.file}{SUFFIX}")
            cases, more = read_cases(file, plan)
            problems = [*problems, *more]
            cases, unknown = chosen(cases, options.names, file)
            problems += unknown
        wrong = plan is None or any(not one.warning for one in problems)
        results = [] if plan is None or wrong else asyncio.run(run_all(cases, plan, plugins))
        if options.json:
            print(json.dumps(as_json(results, problems), indent=2, default=repr))
        elif options.junit and not wrong:
            print("\n".join(as_xml(results, str(options.file))))
        else:
            common.print_problems(problems)
            print("\n".join(as_text(results, options.verbose)), end="\n" if results else "")
        if wrong:
            return common.BAD_CONFIGURATION
        return common.FAILED if failed(results) else 0


def names_of(file: Path) -> list[str]:
    """The names of the tests of a file, as far as it can be read."""
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError):
        return []
    ini, _ = parse(str(file), text, {}, "")
    names = [one.name for one in ini.sections]
    return [one.removeprefix(TEST) for one in names if one.startswith(TEST)]


def chosen(cases: list[Case], names: Sequence[str], file: Path) -> tuple[list[Case], list[Problem]]:
    """The tests with these names, all if none is given; a name that there is not is a problem."""
    if not names:
        return cases, []
    known = [one.name for one in cases]
    problems = [
        Problem(str(file), 0, f"no section [{TEST}{name}]", suggest(name, known))
        for name in names
        if name not in known
    ]
    return [one for one in cases if one.name in names], problems


async def run_all(cases: Iterable[Case], plan: Plan, plugins: Plugins) -> list[CaseResult]:
    """Run tests one after the other."""
    return [await run_case(one, plan, plugins) for one in cases]


def as_text(results: Sequence[CaseResult], verbose: bool) -> Iterator[str]:
    """The results as lines."""
    for one in results:
        verdict = "failed" if one.failures else "ok"
        yield f"{one.case.file}:{one.case.line}: [{TEST}{one.case.name}] {verdict}"
        yield from (f"{one.case.file}:{wrong.line}:   {wrong.text}" for wrong in one.failures)
        if verbose or one.failures:
            yield from told(one)
    if results:
        yield f"{common.several(len(results), 'test')}, {failed(results)} failed"


def as_json(results: Sequence[CaseResult], problems: Sequence[Problem]) -> dict[str, object]:
    """The results for JSON."""
    return {
        "tests": [one.as_json() for one in results],
        "failed": failed(results),
        "problems": [asdict(one) for one in sorted(problems)],
    }


def as_xml(results: Sequence[CaseResult], suite: str) -> Iterator[str]:
    """The results as the programs of continuous integration read them."""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    name = quoteattr(suite)
    yield f'<testsuite name={name} tests="{len(results)}" failures="{failed(results)}">'
    for one in results:
        place = f"file={quoteattr(one.case.file)} line={quoteattr(str(one.case.line))}"
        head = f"  <testcase classname={name} name={quoteattr(one.case.name)} {place}"
        if not one.failures:
            yield f"{head}/>"
            continue
        yield f"{head}>"
        for wrong in one.failures:
            yield f"    <failure message={quoteattr(f'line {wrong.line}: {shown(wrong.text)}')}/>"
        yield "  </testcase>"
    yield "</testsuite>"
