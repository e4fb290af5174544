"""Names: a class has one name and a name one class, and a module's test file has its name."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.sources import ROOT, SOURCES, name, parsed

pytestmark = pytest.mark.xdist_group("rules")

ONE_EACH = {"Options", "State", "Engine", "Receipt", "Refused"}
"""A handler's options, an engine's state, a role's engine, what a sink or a client is told, what a
server does not do for an operator or a client: the package says whose."""

SECOND_NAMES = {"Service"}
"""`ccproxy.service.aio.Service`: a program changes between threads and asyncio by its import."""

TESTED_ELSEWHERE = {
    "ccproxy/__main__.py": "one call; tests/test_cli.py runs it as `python -m ccproxy`",
}
"""Modules without a test file of their name, and why."""


def public_classes(file: Path) -> list[str]:
    body = parsed(file).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef)]
    return [one for one in names if not one.startswith("_")]


def place_of_test(source: Path) -> Path:
    """The place of a module's test: the same folder below `tests`, without `ccproxy`."""
    parts = source.relative_to(ROOT).parts
    folders = parts[1:-1] if parts[0] == "ccproxy" else parts[:-1]
    return ROOT.joinpath("tests", *folders, f"test_{source.name}")


@cache
def all_classes() -> frozenset[str]:
    return frozenset(one for file in SOURCES for one in public_classes(file))


def test_no_public_class_name_is_defined_twice():
    places = defaultdict(list)
    for file in SOURCES:
        for one in public_classes(file):
            places[one].append(name(file))
    twice = {one: files for one, files in places.items() if len(files) > 1}
    wrong = {one: twice[one] for one in twice.keys() - ONE_EACH}
    assert not wrong, "\n".join(f"{one}: {', '.join(files)}" for one, files in wrong.items())


def second_names(file: Path) -> list[str]:
    """Names of classes that stand for another class: `Name = Other`, `import Other as Name`."""
    found = []
    for node in parsed(file).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            found += [(one.id, node.value.id) for one in node.targets if isinstance(one, ast.Name)]
        if isinstance(node, ast.ImportFrom):
            found += [(one.asname, one.name) for one in node.names if one.asname]
    return [name for name, of in found if of in all_classes() and not name.startswith("_")]


def test_no_public_class_has_two_names():
    found = [(name(file), one) for file in SOURCES for one in second_names(file)]
    assert [(file, one) for file, one in found if one not in SECOND_NAMES] == []


def test_every_module_has_the_test_file_of_its_name():
    missing = [
        name(place_of_test(file))
        for file in SOURCES
        if file.name != "__init__.py" and name(file) not in TESTED_ELSEWHERE
        if not place_of_test(file).exists()
    ]
    assert not missing, "\n".join(missing)
