"""Names: a class name means one thing in the whole code base, and a module's test has its name."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("ccproxy/**/*.py"), *ROOT.glob("handlers/**/*.py")])

ONE_EACH = {"Options", "State", "Engine"}
"""A handler's options, an engine's state, a role's engine: the package says whose."""

TESTED_ELSEWHERE = {
    "ccproxy/__main__.py": "one call; tests/test_cli.py runs it as `python -m ccproxy`",
}
"""Modules without a test file of their name, and why."""


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def public_classes(file: Path) -> list[str]:
    body = ast.parse(file.read_text("utf-8")).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef)]
    return [one for one in names if not one.startswith("_")]


def place_of_test(source: Path) -> Path:
    """The place of a module's test: the same folder below `tests`, without `ccproxy`."""
    parts = source.relative_to(ROOT).parts
    folders = parts[1:-1] if parts[0] == "ccproxy" else parts[:-1]
    return ROOT.joinpath("tests", *folders, f"test_{source.name}")


def test_no_public_class_name_is_defined_twice():
    places = defaultdict(list)
    for file in SOURCES:
        for one in public_classes(file):
            places[one].append(name(file))
    twice = {one: files for one, files in places.items() if len(files) > 1}
    wrong = {one: twice[one] for one in twice.keys() - ONE_EACH}
    assert not wrong, "\n".join(f"{one}: {', '.join(files)}" for one, files in wrong.items())


def test_every_module_has_the_test_file_of_its_name():
    missing = [
        name(place_of_test(file))
        for file in SOURCES
        if file.name != "__init__.py" and name(file) not in TESTED_ELSEWHERE
        if not place_of_test(file).exists()
    ]
    assert not missing, "\n".join(missing)
