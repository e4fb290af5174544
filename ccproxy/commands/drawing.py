"""A topology as text, as DOT for graphviz, or for Mermaid; names are escaped for each of them.

A name may hold anything, also what would end a label or begin an element. It must never change what
a name says to a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ccproxy.commands.columns import cell
from ccproxy.commands.topology import CENTRE, Node, Topology, TrafficEdge

SHAPES = {
    "listener": "cds", CENTRE: "box", "route": "ellipse", "handler": "component", "link": "cds",
    "peers": "cds", "fate": "plaintext",
}  # fmt: skip
"""Shapes of graphviz, by the kind of a node."""
PLAIN = frozenset(" ,-./:=@_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
"""Characters that mean themselves everywhere in Mermaid."""


def text(found: Topology) -> Iterator[str]:
    """An indented list."""
    [centre] = [one for one in found.nodes.values() if one.kind == CENTRE]
    for one, edge in found.before(centre.id):
        yield f"from {_words(one)}{_behind(edge)}"
    yield cell(centre.name)
    yield from _below(found, centre.id, "  ")


def _below(found: Topology, id: str, indent: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """What is behind a node; of handlers that pass messages to each other, each stands once."""
    for node, edge in found.behind(id):
        yield f"{indent}{_words(node)}{_behind(edge)}"
        if node.id not in above:
            yield from _below(found, node.id, indent + "  ", (*above, node.id))


def _behind(edge: TrafficEdge) -> str:
    """The rate at the end of a line, if it is known."""
    return "" if edge.rate is None else f"  {_rate(edge)}"


def _words(node: Node) -> str:
    """A node in one line; what is wrong is marked."""
    about = f" ({cell(node.about)})" if node.about else ""
    return f"{'! ' if node.wrong else ''}{node.kind} {cell(node.name)}{about}"


def dot(found: Topology) -> Iterator[str]:
    """For graphviz."""
    yield "digraph ccserver {"
    yield "  rankdir=LR;"
    for node in found.nodes.values():
        label = _dot_text(_lines(node))
        colour = ", color=red" if node.wrong else ""
        yield f'  {node.id} [shape={SHAPES[node.kind]}, label="{label}"{colour}];'
    for edge in found.edges:
        label = f' [label="{_rate(edge)}"]' if edge.rate is not None else ""
        yield f"  {edge.source} -> {edge.target}{label};"
    yield "}"


def _dot_text(lines: list[str]) -> str:
    """Lines inside quotes: `\\n` ends one, and a backslash or a quote of a name is no end."""
    return "\\n".join(one.replace("\\", "\\\\").replace('"', '\\"') for one in lines)


def mermaid(found: Topology) -> Iterator[str]:
    """For Mermaid, as GitHub and others show it."""
    yield "flowchart LR"
    for node in found.nodes.values():
        label = "<br/>".join(map(_mermaid_text, _lines(node)))
        yield f'  {node.id}["{label}"]'
    for edge in found.edges:
        label = f'|"{_rate(edge)}"|' if edge.rate is not None else ""
        yield f"  {edge.source} -->{label} {edge.target}"
    wrong = [node.id for node in found.nodes.values() if node.wrong]
    if wrong:
        yield "  classDef wrong stroke:red"
        yield f"  class {','.join(wrong)} wrong"


def _mermaid_text(line: str) -> str:
    """Everything that might mean something to Mermaid, or to a browser, as the number of the
    character."""
    return "".join(one if one in PLAIN else f"#{ord(one)};" for one in line)


def _lines(node: Node) -> list[str]:
    """The label of a node."""
    return [cell(node.name), *([cell(node.about)] if node.about else [])]


def _rate(edge: TrafficEdge) -> str:
    return f"{edge.rate:g}/s"


FORMATS: Mapping[str, Callable[[Topology], Iterator[str]]] = {
    "text": text, "dot": dot, "mermaid": mermaid,
}  # fmt: skip
