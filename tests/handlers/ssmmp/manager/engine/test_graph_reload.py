"""Another graph under running instances."""

import pytest

from ccproxy_handlers.ssmmp.commands import Down, Scale, Update

GRAPH = """
[service web]
kind = gateway
plugs = orders_client -> orders.api
replicas = 2-3
[service orders]
sockets = api
replicas = 0-4
"""


@pytest.fixture
def shop(make_talk):
    """Two of web run, 1 and 2; two of orders, 3 and 4, since an operator wanted them."""
    talk = make_talk(GRAPH)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders,orders@2", "x_ssmmp=1"))
    talk.ready(talk.do(Scale("orders", 2)))
    return talk


@pytest.fixture
def reload(shop, parse_graph):
    """The plan for a changed graph, and what is said when it is reloaded."""

    def call(*changes):
        text = GRAPH
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        before = shop.manager.state.store.tables()
        shop.graph = parse_graph(text)
        plan = shop.manager.plan_reload(shop.graph)
        assert shop.manager.state.store.tables() == before
        return plan, shop.act(shop.manager.reload(shop.now, shop.graph))

    return call


def count(said, type):
    return sum(type in line for line in said)


def test_a_service_that_needs_more_gets_more(shop, reload):
    plan, said = reload(("replicas = 2-3", "replicas = 3"))
    assert plan.starts == (("web", 1),) and plan.ends == ()
    assert list(plan.lines()) == ["web: replicas 2-3 -> 3", "starts 1 of web"]
    assert count(said, "execution_request") == 1
    assert [one.detail for one in shop.notices if one.what == "graph changed"] == [
        "replicas 2-3 -> 3"
    ]


def test_what_an_operator_wanted_stays_as_far_as_the_graph_allows_it(shop, reload):
    plan, _ = reload(("replicas = 0-4", "replicas = 1-4"))
    assert not plan.starts and not plan.ends
    assert shop.manager.state.desired("orders").target == 2
    plan, said = reload(("replicas = 0-4", "replicas = 0-1"))
    assert [row.key for row in plan.ends] == [3] and count(said, "graceful_shutdown_request") == 1
    assert shop.manager.state.desired("orders").target == 1
    assert plan.touches == ("orders 3: 0 sessions of 0 clients in, 0 out",)


def test_a_service_that_is_gone_ends_and_a_new_one_starts(shop, reload):
    gone = (
        "[service orders]\nsockets = api\nreplicas = 0-4\n",
        "[service orders@2]\nstart = eager\n",
    )
    plan, said = reload(("plugs = orders_client -> orders.api\n", ""), gone)
    assert sorted(row.key for row in plan.ends) == [3, 4] and plan.starts == (("orders@2", 1),)
    assert count(said, "graceful_shutdown_request") == 2
    assert count(said, "execution_request") == 1
    assert "orders" not in shop.manager.state.store.desired
    assert plan.touches[-1] == "web: 2 instances go on as they were started, until they are moved"


def test_another_program_is_for_instances_to_come(shop, reload):
    plan, said = reload(("replicas = 0-4", "replicas = 0-4\nprogram = orders@2"))
    assert said == [] and not plan.starts
    assert shop.manager.state.desired("orders").program == "orders@2"
    assert plan.touches == ("orders: 2 instances go on as they were started, until they are moved",)
    assert len(shop.manager.plan(Update("orders", "orders@2")).touches) == 2


def test_a_program_that_an_operator_has_chosen_stays(shop, reload):
    shop.manager.state.begin(shop.now)
    shop.manager.services.change("orders", program="orders@3")
    shop.act(shop.manager._done())
    reload(("replicas = 0-4", "replicas = 0-4\nprogram = orders@2"))
    assert shop.manager.state.desired("orders").program == "orders@3"


def test_a_service_that_becomes_eager_starts(make_talk, parse_graph):
    talk = make_talk(GRAPH)
    talk.start()
    talk.register("a", "fd00::1", "web,orders")
    talk.graph = parse_graph(GRAPH.replace("replicas = 0-4", "replicas = 1-4\nstart = eager"))
    assert talk.manager.plan_reload(talk.graph).starts == (("orders", 1),)
    said = talk.act(talk.manager.reload(talk.now, talk.graph))
    assert count(said, "execution_request") == 1


def test_nothing_is_started_while_all_is_down(shop, reload):
    shop.do(Down())
    plan, said = reload(("replicas = 2-3", "replicas = 3"))
    assert plan.starts == () and count(said, "execution_request") == 0
    assert shop.manager.state.desired("web").target == 3, "`up` starts so many"
