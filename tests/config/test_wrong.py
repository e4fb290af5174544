"""Every file of tests/wrong: all its mistakes are reported, each with its line, and nothing else.

Beside each NAME.ini stands NAME.txt with one `line: text` for each problem; line 0 is the file as a
whole; `...` stands for the words of all handlers.
"""

import re
from pathlib import Path

import pytest

from ccproxy.config.build import build

WRONG = Path(__file__).parents[1] / "wrong"
PLUGINS = r"(no handler .*; known: ).*"
FILES = sorted(path.name for path in WRONG.glob("*.ini"))


def lines_of(name, problems):
    for problem in problems:
        text = re.sub(PLUGINS, r"\1...", str(problem).removeprefix(name))
        yield text.removeprefix(":") if problem.line else f"0{text}"


@pytest.mark.parametrize("name", FILES)
def test_all_mistakes_of_a_file_are_reported(name, finder, monkeypatch):
    monkeypatch.chdir(WRONG)
    plan, problems = build(name, {}, finder)
    assert plan is None
    expected = Path(name).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert list(lines_of(name, problems)) == expected


def test_there_are_many_wrong_files_and_nothing_unexpected_beside_them():
    assert len(FILES) >= 30
    expected = {Path(name).with_suffix(".txt").name for name in FILES}
    assert {path.name for path in WRONG.glob("*.txt")} == expected


def test_nearly_every_wrong_file_has_several_mistakes():
    counts = [len((WRONG / name).with_suffix(".txt").read_text().splitlines()) for name in FILES]
    assert sum(count > 1 for count in counts) >= 30
