from ccproxy_handlers.ssmmp.graph import Edge, Graph, GraphService, cycle


def made(**edges):
    services = {
        name: GraphService(
            name, plugs=tuple(Edge(f"p{n}", one, "s") for n, one in enumerate(targets))
        )
        for name, targets in edges.items()
    }
    return Graph("g", services)


def test_edges():
    graph = made(a="bc", b="c", c="")
    assert [(source, edge.service) for source, edge in graph.edges()] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    assert [source for source, _ in graph.incoming("c")] == ["a", "b"]


def test_cycle():
    assert cycle(made(a="bc", b="c", c="")) == []
    found = cycle(made(a="b", b="c", c="b"))
    assert found in (["b", "c", "b"], ["c", "b", "c"])
    assert cycle(made(a="x")) == []
