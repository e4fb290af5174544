import pytest

from ccproxy_handlers.ssmmp import graphfile
from ccproxy_handlers.ssmmp.graph import EAGER, ON_DEMAND, Edge, GraphSocket, Replicas

REFERENCE = """
[app]
name = shop
ports = 24000-25554          ; pool for assigned ports, per address

[service web]
kind = gateway               ; gateway | regular | baas
sockets = http:8080          ; a number fixes the port; without one it is assigned
plugs = orders_client -> orders.orders_api, login_client -> login.login_api
replicas = 2

[service login]
sockets = login_api

[service orders]
sockets = orders_api, admin
plugs = store_client -> store.sql
replicas = 0-4               ; 0: on demand
idle_stop = 60
choose = least-sessions

[service store]
kind = baas
sockets = sql
replicas = 1
restart = always
"""


def test_the_graph_of_the_reference():
    graph, problems = graphfile.parse("shop.ini", REFERENCE)
    assert not problems
    web, orders, store = (graph.services[one] for one in ("web", "orders", "store"))
    assert (graph.name, graph.ports) == ("shop", (24000, 25554))
    assert web.sockets == (GraphSocket("http", 8080),)
    assert web.plugs[0] == Edge("orders_client", "orders", "orders_api")
    assert (web.replicas, web.start) == (Replicas(2, 2), EAGER)
    assert (orders.replicas, orders.start, orders.idle_stop) == (Replicas(0, 4), ON_DEMAND, 60.0)
    assert store.alone and store.restart == "always"
    assert web.plug("nothing") is None and store.socket("sql") == GraphSocket("sql", 0)
    assert [one[0] for one in graph.incoming("store")] == ["orders"]


WRONG = [
    ("", 0, "no \\[service NAME\\] section"),
    ("x = 1", 1, "text before the first section"),
    ("[service]", 1, "unknown section .service.; expected .app., .service NAME."),
    ("[app b]", 1, "unknown section .app b."),
    ("[service a]\nsockets", 2, 'no "="'),
    ("[service a]\nsockets = x\nsockets = y", 3, "given twice in .service a.; first in line 2"),
    ("[service a]\n[service a]", 2, "given twice; first in line 1"),
    ("[service a]\nsocket = x", 2, 'unknown option "socket".*did you mean "sockets"'),
    ("[service a]\nkind = gate", 2, "kind.*: .*expected gateway"),
    ("[service a]\nreplicas = 4-2", 2, "replicas.*: .*expected a number of instances"),
    ("[service a]\nreplicas = 0", 2, "replicas.*: .*expected a number of instances"),
    ("[service a]\nsockets = a b", 2, "sockets.*: .*expected a socket"),
    ("[service a]\nsockets = a:70000", 2, "sockets.*: .*expected a socket"),
    ("[service a]\nsockets = a, a", 2, "socket a is given twice"),
    ("[service a]\nplugs = p > b.s", 2, "plugs.*: .*expected a plug"),
    ("[service a]\nplugs = p -> b.s", 2, "no such service"),
    ("[service a]\nplugs = p -> bb.s\n[service bbb]\nsockets = s", 2, 'did you mean "bbb"'),
    ("[service a]\nplugs = p -> b.t\n[service b]\nsockets = s", 2, "no such socket"),
    ("[service a]\nplugs = p -> b.s, p -> b.s\n[service b]\nsockets = s", 2,
     "plug p is given twice"),
    ("[service a]\nplugs = p -> b.s\n[service b]\nkind = gateway\nsockets = s", 2,
     "a gateway has no incoming edge"),
    ("[service b]\nkind = baas\nplugs = p -> c.s\n[service c]\nsockets = s", 3,
     "baas has no plugs"),
    ("[service b]\nkind = baas\nreplicas = 2", 3, "2 instances of a baas.*replicated = yes"),
    ("[service a]\nsockets = s:80\n[service b]\nsockets = t:80", 4,
     "b.t has the fixed port 80 of a.s"),
    ("[service a]\nsockets = s\nplugs = p -> b.t\n[service b]\nsockets = t\nplugs = q -> a.s", 3,
     "cycle: (a -> b -> a|b -> a -> b).*allow_cycles"),
    ("[service a]\nsockets = s\nplugs = p -> a.s", 3, "cycle: a -> a"),
    ("[app]\nports = 5-3\n[service a]", 2, "ports.*: .*expected ports"),
    ("[service a]\nnear = nowhere", 2, "no service 'nowhere'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what"), WRONG, ids=[one[2] for one in WRONG])
def test_every_mistake_has_its_line(text, line, what):
    graph, problems = graphfile.parse("g.ini", text)
    assert graph is None
    (problem,) = problems if "cycle" not in what else problems[:1]
    where = f"g.ini:{line}: " if line else "g.ini: "
    assert str(problem).startswith(where) or "cycle" in what
    with pytest.raises(ValueError, match=what):
        raise ValueError(str(problem))


def test_all_mistakes_at_once_in_order():
    text = "\n".join(["[service a]", "knd = x", "plugs = p -> c.s", "[service b]", "replicas = x"])
    _, problems = graphfile.parse("g.ini", text)
    assert [one.line for one in problems] == [2, 5]
    _, problems = graphfile.parse("g.ini", text.replace("knd", "# knd").replace("= x", "= 1"))
    assert [one.line for one in problems] == [3]


def test_cycles_and_replicated_storage_can_be_allowed():
    text = "[app]\nallow_cycles = yes\n[service a]\nsockets = s\nplugs = p -> a.s"
    text += "\n[service b]\nkind = baas\nreplicated = yes\nreplicas = 3"
    graph, problems = graphfile.parse("g.ini", text)
    assert not problems and not graph.services["b"].alone


def test_a_large_acyclic_graph_is_checked_at_once():
    layers = [[f"s{row}-{column}" for column in range(8)] for row in range(20)]
    text = ""
    for row, names in enumerate(layers):
        for name in names:
            below = layers[row + 1] if row + 1 < len(layers) else []
            plugs = ", ".join(f"p{n} -> {one}.k" for n, one in enumerate(below))
            text += f"[service {name}]\nsockets = k\nplugs = {plugs}\n"
    graph, problems = graphfile.parse("g.ini", text)
    assert not problems and len(graph.services) == 160
