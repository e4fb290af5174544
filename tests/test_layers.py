"""Who may import whom: inward only. What is imported for type hints alone does not count."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("ccproxy/**/*.py"), *ROOT.glob("handlers/**/*.py")]

ALLOWED = {
    "wire": {"ccproxy.wire"},
    "core": {"ccproxy.core", "ccproxy.wire"},
    "config": {"ccproxy.config", "ccproxy.core", "ccproxy.wire"},
    "handler": {"ccproxy.config", "ccproxy.core"},
    "hookspecs": {"pluggy"},
    "plugins": {"ccproxy.config", "ccproxy.handler", "ccproxy.hookspecs", "pluggy"},
    "net": {
        "ccproxy.config", "ccproxy.core", "ccproxy.handler", "ccproxy.net", "ccproxy.process",
        "ccproxy.wire",
    },
    "process": {"ccproxy.process"},
    "protocols": {
        "ccproxy.config", "ccproxy.core", "ccproxy.handler", "ccproxy.net", "ccproxy.protocols",
        "ccproxy.wire", "h11",
    },
    "server": {
        "ccproxy", "ccproxy.config", "ccproxy.core", "ccproxy.handler", "ccproxy.net",
        "ccproxy.process", "ccproxy.protocols", "ccproxy.server", "ccproxy.wire",
    },
    "client": {"ccproxy.wire", "zmq"},
    "handlers": {
        "ccproxy", "ccproxy.kinds", "ccproxy.client", "ccproxy.commands", "ccproxy.config",
        "ccproxy.protocols", "ccproxy.service", "ccproxy.wire", "ccproxy_handlers",
    },
}  # fmt: skip
"""Room -> what it may import besides the standard library; rooms not named may import anything."""

SOCKETS = {"net", "client", "process", "protocols", "server", "service", "testing"}
"""Rooms that may open sockets."""


def room_of(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    return "handlers" if parts[0] == "handlers" else parts[1].removesuffix(".py")


def imports(file: Path) -> Iterator[str]:
    """Every imported module with its full name; what is imported from it belongs to it."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in _outside_of_type_checking(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = _absolute(node, file)
            yield from {_member(module, alias.name) for alias in node.names}


def _outside_of_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _outside_of_type_checking(child)


def _absolute(node: ast.ImportFrom, file: Path) -> str:
    if not node.level:
        return str(node.module)
    package = [*file.relative_to(ROOT).parts[:-1]]
    package[0] = package[0].replace("handlers", "ccproxy_handlers")
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])


def _member(module: str, name: str) -> str:
    """The module `name` of a package, or the package for anything else it offers."""
    path = ROOT / module.replace(".", "/") / name
    return f"{module}.{name}" if path.with_suffix(".py").exists() or path.is_dir() else module


def allowed(module: str, permitted: set[str]) -> bool:
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    exact = {"ccproxy"} & permitted
    below = permitted - exact
    return module in exact or any(f"{module}.".startswith(f"{one}.") for one in below)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_inward(file):
    permitted = ALLOWED.get(room_of(file))
    if permitted is None:
        return
    wrong = [module for module in imports(file) if not allowed(module, permitted)]
    assert not wrong, f"{file.relative_to(ROOT)} may not import {wrong}"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_edges_open_sockets(file):
    if room_of(file) not in SOCKETS:
        assert not {"socket", "selectors", "socketserver", "zmq"} & set(imports(file))


def test_the_server_does_not_know_its_built_in_handlers():
    for file in ROOT.glob("ccproxy/**/*.py"):
        assert not [one for one in imports(file) if one.startswith("ccproxy_handlers")], file


def test_every_room_is_under_a_rule_or_known_to_be_free():
    free = {"__init__", "__main__", "cli", "commands", "service", "testing"}
    assert {room_of(file) for file in SOURCES} <= set(ALLOWED) | free
