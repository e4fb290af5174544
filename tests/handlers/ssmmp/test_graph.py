from ccproxy_handlers.ssmmp.graph import Edge, Graph, GraphService, cycle, layers


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


def test_layers():
    assert layers(made(a="bc", b="c", c="", d="c")) == [["a", "d"], ["b"], ["c"]]
    assert layers(made()) == []


def test_what_is_in_a_cycle_is_one_layer_and_storage_comes_last():
    graph = made(a="b", b="c", c="bs", s="")
    services = {**graph.services, "s": GraphService("s", kind="baas")}
    assert layers(Graph("g", services)) == [["a"], ["b", "c"], ["s"]]
    assert layers(Graph("g", {"s": GraphService("s", kind="baas", plugs=(Edge("p", "s", "x"),))}))
