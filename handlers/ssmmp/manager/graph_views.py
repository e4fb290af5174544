"""The graph with the sessions that are open on its edges, as text, DOT and Mermaid.

It reads the state and must never change any of it.
"""

from __future__ import annotations

from .engine.engine import Manager
from .view import Fields, edges

_SHAPES = {"gateway": "house", "baas": "cylinder", "regular": "box"}
_MERMAID = {"gateway": "[/{}/]", "baas": "[({})]", "regular": "[{}]"}


def text(manager: Manager) -> str:
    """One paragraph a service, its plugs indented."""
    found = edges(manager)
    lines = []
    for name, service in manager.state.graph.services.items():
        lines.append(f"{name} ({service.kind}, {_running(manager, name)} running)")
        lines += [f"  {_edge(one)}" for one in found if one["source"] == name]
    return "\n".join(lines) + "\n"


def dot(manager: Manager) -> str:
    """For Graphviz."""
    lines = [f'digraph "{manager.state.graph.name}" {{']
    for name, service in manager.state.graph.services.items():
        label = f"{name}\\n{_running(manager, name)} running"
        lines.append(f'  "{name}" [shape={_SHAPES[service.kind]}, label="{label}"];')
    for one in edges(manager):
        lines.append(f'  "{one["source"]}" -> "{one["service"]}" [label="{one["open"]}"];')
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(manager: Manager) -> str:
    """For Mermaid; services are numbered, since it does not allow all names that a graph does."""
    numbers = {name: f"s{n}" for n, name in enumerate(manager.state.graph.services)}
    lines = ["flowchart LR"]
    for name, service in manager.state.graph.services.items():
        label = f'"{name}: {_running(manager, name)}"'
        lines.append(f"  {numbers[name]}{_MERMAID[service.kind].format(label)}")
    for one in edges(manager):
        ends = numbers[one["source"]], numbers[one["service"]]
        lines.append(f'  {ends[0]} -->|"{one["open"]}"| {ends[1]}')
    return "\n".join(lines) + "\n"


def _running(manager: Manager, name: str) -> int:
    index = manager.state.store.instance_index
    return index.size(("ready", name)) + index.size(("poor", name))


def _edge(one: Fields) -> str:
    return f"{one['plug']} -> {one['service']}.{one['socket']}: {one['open']} open"
