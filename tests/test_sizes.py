"""How large things may be: a stranger should see a module's point without scrolling for long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("ccproxy/**/*.py"), *ROOT.glob("handlers/**/*.py")])

MODULE_LINES = 300
FUNCTION_LINES = 40
USUAL_LINES = 20
"""Nine functions in ten are no longer than this."""
PARAMETERS = 5

HOT = {
    "ccproxy/core/hot.py": "a call per frame costs more than everything else together",
    "ccproxy/protocols/jolie/sodep/fastpath.py": "a call per message costs a message",
    "ccproxy/protocols/jolie/sodep/scan.py": "a call per value costs more than the walk",
}
"""Files whose functions may be long, and why."""

LONG_TABLES = {
    "option": "one row of the option table, every cell by name",
}
"""Functions that may have many parameters, and why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, Function):
            yield node


def lines(function: Function) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    total = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    text = function.body[0]
    return total - ((text.end_lineno or 0) - text.lineno + 1)


def parameters(function: Function) -> int:
    """Parameters without self and cls; those with a name only count as well."""
    arguments = function.args
    named = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([one for one in named if one not in ("self", "cls")])


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_modules_are_short(file):
    count = len(file.read_text("utf-8").splitlines())
    assert count <= MODULE_LINES


@pytest.mark.parametrize("file", [one for one in SOURCES if name(one) not in HOT], ids=name)
def test_functions_are_short(file):
    long = {one.name: lines(one) for one in functions(file) if lines(one) > FUNCTION_LINES}
    assert not long


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_functions_have_few_parameters(file):
    many = {one.name: parameters(one) for one in functions(file) if parameters(one) > PARAMETERS}
    assert not {one: number for one, number in many.items() if one not in LONG_TABLES}


def test_nine_functions_in_ten_fit_on_half_a_screen():
    sizes = [lines(one) for file in SOURCES if name(file) not in HOT for one in functions(file)]
    long = [size for size in sizes if size > USUAL_LINES]
    assert len(long) <= len(sizes) / 10


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_every_module_says_what_it_holds(file):
    assert ast.get_docstring(ast.parse(file.read_text("utf-8")))
