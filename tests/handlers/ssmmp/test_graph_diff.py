"""What differs between two graphs, in words."""

import pytest

from ccproxy_handlers.ssmmp import graphfile
from ccproxy_handlers.ssmmp.graph_diff import differences

GRAPH = """
[app]
name = shop
[service web]
kind = gateway
sockets = http:8080
plugs = a -> orders.api
[service orders]
sockets = api
replicas = 0-4
"""


def graph(text):
    found, problems = graphfile.parse("g.ini", text)
    assert found, problems
    return found


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("", "", []),
        ("name = shop", "name = market", ["market: name shop -> market"]),
        ("[service web]", "ports = 20000-20009\n[service web]",
         ["shop: ports 24000-25554 -> 20000-20009"]),
        ("http:8080", "http:8081", ["web: socket http: 8080 -> 8081"]),
        ("http:8080", "http", ["web: socket http: 8080 -> assigned"]),
        ("sockets = api", "sockets = api, admin", ["orders: new socket admin: assigned"]),
        ("http:8080\n", "\n", ["web: socket http gone"]),
        ("a -> orders.api", "b -> orders.api",
         ["web: plug a gone", "web: new plug b: orders.api"]),
        ("replicas = 0-4", "replicas = 2", ["orders: replicas 0-4 -> 2"]),
        ("replicas = 0-4", "replicas = 0-4\nidle_stop = 5 s\nprogram = o@2",
         ["orders: program none -> o@2", "orders: idle-stop 0 s -> 5 s"]),
        ("replicas = 0-4", "replicas = 0-4\nkind = baas\nreplicated = yes",
         ["orders: kind regular -> baas", "orders: replicated no -> yes"]),
        ("[service orders]", "[service more]\nplugs = p -> orders.api\n[service orders]",
         ["more: new regular, replicas 0-1, p -> orders.api"]),
    ],
)  # fmt: skip
def test_differences(old, new, lines):
    assert [str(one) for one in differences(graph(GRAPH), graph(GRAPH.replace(old, new)))] == lines


def test_a_service_that_is_gone():
    short = "[app]\nname = shop\n[service orders]\nsockets = api\nreplicas = 0-4\n"
    assert [str(one) for one in differences(graph(GRAPH), graph(short))] == ["web: gone"]
