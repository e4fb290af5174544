"""What operators are answered."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp import graphfile
from ccproxy_handlers.ssmmp.manager import Manager, Notice
from ccproxy_handlers.ssmmp.manager.event_log import EventLog
from ccproxy_handlers.ssmmp.manager.operator_api import PAGE, VERBS, OperatorApi

GRAPH = """
[service web]
kind = gateway
plugs = orders_client -> orders.api
[service orders]
sockets = api
replicas = 0-1000
"""


@pytest.fixture
def manager():
    graph, _ = graphfile.parse("g.ini", GRAPH)
    made = Manager(graph)
    made.start(1000.0)
    made.receive(
        1000.0,
        "peer",
        ssmmp.AGENT_TO_MANAGER.make(
            "initiation_request", 1, agent_network_address="A",
            service_repository=("web", "orders"),
        ),
    )  # fmt: skip
    return made


@pytest.fixture
def api(manager):
    return OperatorApi(manager, EventLog())


def test_every_verb_is_known(api):
    assert set(api._verbs) == VERBS


@pytest.mark.parametrize("what", ["agents", "services", "instances", "sessions", "operations"])
def test_tables(api, what):
    answer, actions = api.answer(1001.0, "list", {"what": what})
    assert actions == [] and answer["next"] is None
    assert len(answer["rows"]) == {"agents": 1, "services": 2, "instances": 1}.get(what, 0)


def test_pages(api, manager):
    number, actions = api.answer(
        1001.0, "execute", {"command": "scale", "service": "orders", "count": 450}
    )
    assert number["operation"] == 1 and actions
    rows, after = [], None
    pages = 0
    while pages == 0 or after is not None:
        answer, _ = api.answer(1002.0, "list", {"what": "instances", "after": after, "most": 999})
        rows += answer["rows"]
        after = answer["next"]
        pages += 1
        assert len(answer["rows"]) <= PAGE
    assert pages == 3
    assert [one["instance"] for one in rows] == list(range(1, 452))


def test_summary_and_graph(api):
    assert api.answer(1001.0, "summary", {})[0]["instances"] == {"STARTING": 1}
    for form, begins in (("text", "web (gateway"), ("dot", "digraph"), ("mermaid", "flowchart")):
        answer, _ = api.answer(1001.0, "graph", {"form": form})
        assert answer["text"].startswith(begins)
        assert [one["open"] for one in answer["edges"]] == [0]


def test_events(manager):
    events = EventLog()
    api = OperatorApi(manager, events)
    for number in range(3):
        events.add(1.0, Notice("running", str(number)))
    answer, _ = api.answer(1.0, "events", {"latest": 2})
    assert ([one["subject"] for one in answer["rows"]], answer["last"]) == (["1", "2"], 3)
    assert len(api.answer(1.0, "events", {"since": 1})[0]["rows"]) == 2


def test_a_plan_changes_nothing(api, manager):
    before = manager.snapshot()
    fields = {"command": "stop", "instance": 1}
    answer, actions = api.answer(1001.0, "plan", fields)
    assert actions == [] and manager.snapshot() == before
    assert [one["kind"] for one in answer["plan"]["steps"]] == ["goal", "drain"]
    assert answer["plan"]["refusal"] == ""


def test_a_refused_operation_has_no_number(api):
    answer, _ = api.answer(1001.0, "execute", {"command": "drain", "node": "B"})
    assert answer["operation"] == 0 and answer["plan"]["refusal"] == "no node B"


def test_cancel(api):
    api.answer(1001.0, "execute", {"command": "scale", "service": "orders", "count": 2})
    answer, _ = api.answer(1001.0, "cancel", {"operation": 1})
    assert answer["operation"]["state"] == "cancelled", "it only waited"
    again, _ = api.answer(1001.0, "cancel", {"operation": 1})
    assert again == {"error": "operation 1 is cancelled"}


@pytest.mark.parametrize(
    ("verb", "value", "says"),
    [
        ("list", {}, "no table ''"),
        ("list", {"what": "agents", "after": 3}, "expected a name"),
        ("list", {"what": "sessions", "after": "3"}, "expected a number"),
        ("list", {"what": "sessions", "after": [3]}, "expected a number"),
        ("list", {"what": "agents", "after": [3]}, "expected a name"),
        ("list", {"what": "sessions", "most": -1}, "most is -1"),
        ("graph", {"form": "svg"}, "form is 'svg'"),
        ("graph", {"form": ["dot"]}, "form is"),
        ("events", {"since": "x"}, "since is 'x'"),
        ("plan", {"command": "dance"}, "command is 'dance'"),
        ("cancel", {"operation": 5}, "no operation 5"),
        ("cancel", {"operation": True}, "operation is True"),
    ],
)
def test_what_is_wrong_is_said(api, verb, value, says):
    answer, actions = api.answer(1001.0, verb, value)
    assert says in answer["error"] and actions == []
