"""The graph as text, DOT and Mermaid."""

from ccproxy_handlers.ssmmp.manager import graph_views


def test_drawings(talk):
    text = graph_views.text(talk.manager)
    assert text.startswith("web (gateway, 1 running)\n  orders_client -> orders.orders_api: 0 open")
    dot = graph_views.dot(talk.manager)
    assert '"web" -> "orders" [label="0"];' in dot and dot.startswith("digraph")
    mermaid = graph_views.mermaid(talk.manager)
    assert mermaid.splitlines()[1] == '  s0[/"web: 1"/]' and '  s0 -->|"0"| s1' in mermaid
