"""The parts of a Manager, in their layers."""

import ast
from pathlib import Path

from ccproxy_handlers.ssmmp.manager.engine import parts
from ccproxy_handlers.ssmmp.manager.engine.parts import ManagerParts, half

LAYERS = [
    line.split()[0]
    for line in parts.__doc__.splitlines()
    if line.startswith("    ") and line.strip()
]
"""The modules that the docstring names, the lowest first."""


def imported(module: str) -> set[str]:
    tree = ast.parse(Path(parts.__file__).with_name(f"{module}.py").read_text("utf-8"))
    return {
        str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
    }


def test_each_layer_imports_only_layers_below_it():
    assert LAYERS[0] == "state" and LAYERS[-1] == "engine"
    for height, module in enumerate(LAYERS):
        above = set(LAYERS[height + 1 :])
        assert not imported(module) & above, f"{module} imports {imported(module) & above}"


def test_every_part_is_in_a_layer(parse_graph):
    made = ManagerParts(parse_graph())
    modules = {type(one).__module__.rpartition(".")[2] for one in vars(made).values()}
    assert modules == set(LAYERS) - {"messages", "engine"}


def test_all_parts_share_one_state(parse_graph):
    made = ManagerParts(parse_graph())
    parts_with_state = [one for one in vars(made).values() if one is not made.state]
    assert all(one.state is made.state for one in parts_with_state)
    assert made.state.random is half and half() == 0.5
