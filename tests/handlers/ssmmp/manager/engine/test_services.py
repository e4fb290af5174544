"""How many instances a service has: goals, back-off, replacement, load."""

from dataclasses import replace

import pytest

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import ManagerSettings
from ccproxy_handlers.ssmmp.manager.engine.plans import OperationPlan
from ccproxy_handlers.ssmmp.manager.engine.rows import OperationStep

WISH = "orders_client orders orders_api"


def settle(talk):
    return talk.act(talk.manager._done())


def begin(talk):
    talk.manager.state.begin(talk.now)
    return talk.manager.services


def states(talk, service="orders"):
    rows = talk.manager.state.store.instances.values()
    return [str(one.state) for one in rows if one.service == service]


def test_what_is_wanted_is_started_and_no_more(talk):
    begin(talk).change("orders", target=2)
    talk.manager.services.balance("orders")
    talk.manager.services.balance("orders")
    settle(talk)
    assert states(talk) == ["STARTING", "STARTING"]


def test_nothing_is_started_on_demand_while_requests_are_held(talk):
    begin(talk).change("orders", hold=True)
    settle(talk)
    assert talk.ask("a", 1, 9, WISH) == [] and states(talk) == []
    begin(talk).release("orders")
    said = settle(talk)
    assert states(talk) == ["STARTING"] and "execution_request" in said[0]


def test_a_broken_service_is_tried_again_when_an_agent_with_its_program_comes(talk):
    begin(talk).change("orders", target=1, broken="status 422")
    talk.manager.services.balance("orders")
    settle(talk)
    assert states(talk) == []
    talk.register("c", "fd00::3", "orders")
    assert states(talk) == ["STARTING"]
    assert talk.manager.state.desired("orders").broken == ""


def test_a_failure_makes_the_node_wait_and_long_running_forgives(talk):
    talk.ready(talk.do(Scale("orders", 1)))
    row = talk.row(2)
    failures = talk.manager.state.store.failures
    for runs, in_row in ((0.0, 1), (1.0, 2), (70.0, 1)):
        begin(talk)._avoid(replace(row, ran=talk.now - runs if runs else 0.0))
        settle(talk)
        found = failures[f"orders@{row.agent}"]
        assert found.failures_in_row == in_row
        assert found.until == talk.now + found.failures_in_row


def test_requests_stop_waiting_for_a_service_that_cannot_be_had(make_talk):
    talk = make_talk(settings=ManagerSettings(health_interval=1e6, agent_lost=10, session_wait=100))
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    talk.register("b", "fd00::2", "orders")
    talk.ask("a", 1, 9, WISH)
    talk.gone("b")
    said = talk.wait(11)
    assert states(talk)[0] == "FAILED"
    assert states(talk)[1:] == ["PLANNED"] and said == [], "one is planned: requests wait for it"


@pytest.fixture
def without_orders(talk, parse_graph):
    """The graph has lost `orders`, of which one instance runs."""
    talk.ready(talk.do(Scale("orders", 1)))
    talk.graph = parse_graph("[service web]\nkind = gateway\n[service store]\nsockets = sql\n")

    def reload():
        talk.act(talk.manager.reload(talk.now, talk.graph))

    return talk, reload


def test_an_instance_of_a_service_that_left_the_graph_may_end_by_itself(without_orders):
    talk, reload = without_orders
    talk.ask("a", 1, 9, WISH)
    talk.ack("a", 9, 40000)
    reload()
    assert talk.row(2).state == "DRAINING"
    peer = talk.manager.state.connection(talk.row(2).agent)
    talk.say(
        peer,
        "service_instance_termination_info 5 service_name=orders service_instance_id=2 "
        f"service_instance_network_address={talk.row(2).address}",
    )
    assert talk.row(2).state == "STOPPED"
    assert talk.manager.state.desired("orders").target == 0


def test_an_operation_on_a_service_that_leaves_the_graph_fails(talk, parse_graph):
    store = talk.manager.state.store
    plan = OperationPlan("start orders", (OperationStep("start", "orders"),))
    talk.graph = parse_graph("[service web]\nkind = gateway\n[service store]\nsockets = sql\n")
    talk.act(talk.manager.reload(talk.now, talk.graph))
    talk.manager.state.begin(talk.now)
    key = talk.manager.operations.execute(plan)
    settle(talk)
    assert (store.operations[key].state, store.operations[key].reason) == (
        "failed", "start orders failed",
    )  # fmt: skip
