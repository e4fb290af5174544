"""Raw values where bodies are texts: base64 in their place, if a section asks for it.

It must never change the tree that it is given: others may hold it.
"""

from __future__ import annotations

from base64 import b64encode

from ccproxy.protocols.jolie.json_values import Json, JsonText
from ccproxy.protocols.jolie.values import Tree, Value, walk


def without_raw(value: Value) -> Value:
    """A value with base64 in the place of raw payloads; `Json` has none."""
    if isinstance(value, Json | JsonText):
        return value
    tree = value.tree()
    if not any(isinstance(node.payload, bytes) for _, node in walk(tree)):
        return tree
    return _texts(tree)


def _texts(tree: Tree) -> Tree:
    root = Tree()
    rest = [(tree, root)]
    while rest:
        node, made = rest.pop()
        payload = node.payload
        made.payload = b64encode(payload).decode() if isinstance(payload, bytes) else payload
        for name, vector in node.children.items():
            made.children[name] = [Tree() for _ in vector]
            rest += zip(vector, made.children[name], strict=True)
    return root
