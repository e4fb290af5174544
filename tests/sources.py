"""The source files, for the tests of the rules about them; these run in one process, so that each
file is parsed once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("ccproxy/**/*.py"), *ROOT.glob("handlers/**/*.py")])


def name(file: Path) -> str:
    """Its name in this project."""
    return file.relative_to(ROOT).as_posix()


@cache
def parsed(file: Path) -> ast.Module:
    """Its syntax tree; nothing may change it."""
    return ast.parse(file.read_text("utf-8"))
