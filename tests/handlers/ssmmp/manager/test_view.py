import json

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import graph_views, view


def test_everything_is_json(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    talk.ack("a", 9, 40000)
    found = view.status(talk.manager, talk.now + 3)
    assert json.loads(json.dumps(found)) == found
    assert {one["agent"] for one in found["agents"]} == {"fd00::1", "fd00::2"}
    orders = next(one for one in found["services"] if one["service"] == "orders")
    assert (orders["target"], orders["running"], orders["live"]) == (2, 2, 2)
    assert [one["open"] for one in found["edges"]] == [1, 0]
    assert found["operations"][0]["state"] == "done"
    (session,) = view.sessions(talk.manager, talk.now + 3)
    assert session["edge"] == "web.orders_client -> orders.orders_api"
    assert (session["state"], session["since"], session["stuck"]) == ("OPEN", 3.0, False)
    assert sum(one["in"] for one in found["instances"]) == 1


def test_drawings(talk):
    text = graph_views.text(talk.manager)
    assert text.startswith("web (gateway, 1 running)\n  orders_client -> orders.orders_api: 0 open")
    dot = graph_views.dot(talk.manager)
    assert '"web" -> "orders" [label="0"];' in dot and dot.startswith("digraph")
    mermaid = graph_views.mermaid(talk.manager)
    assert mermaid.splitlines()[1] == '  s0[/"web: 1"/]' and '  s0 -->|"0"| s1' in mermaid
